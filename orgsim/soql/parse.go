package soql

import (
	"strconv"
	"strings"
)

// MaxLength is how long a query may be, in characters (SOQL limits).
const MaxLength = 100_000

const (
	maxDepth  = 50   // of parentheses, so that foreign text cannot exhaust the stack
	maxOffset = 2000 // rows that OFFSET may pass over
)

type parser struct {
	src   string
	toks  []token
	i     int
	depth int
}

// Parse reads a query. Errors are of type *Error.
func Parse(src string) (*Query, error) {
	if len(src) > MaxLength {
		return nil, &Error{Code: CodeMalformed, Message: "SOQL statements cannot be longer than 100000 characters."}
	}
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{src: src, toks: toks}
	q, err := p.query(false)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokEOF {
		return nil, p.unexpected(t)
	}
	return q, nil
}

func (p *parser) peek() token { return p.toks[p.i] }

func (p *parser) next() token {
	t := p.toks[p.i]
	if t.kind != tokEOF {
		p.i++
	}
	return t
}

// accept takes the next token if it is the given keyword or punctuation.
func (p *parser) accept(want string) bool {
	if p.peek().is(want) {
		p.i++
		return true
	}
	return false
}

func (p *parser) expect(want string) error {
	if !p.accept(want) {
		return p.errorf(p.peek(), "expecting '%s', found '%s'", strings.ToLower(want), p.peek().shown())
	}
	return nil
}

func (p *parser) errorf(t token, format string, args ...any) error {
	return errorAt(p.src, t.pos, CodeMalformed, format, args...)
}

func (p *parser) unexpected(t token) error { return p.errorf(t, "unexpected token: '%s'", t.shown()) }

// enter guards against nesting without end.
func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return p.errorf(p.peek(), "query is too deeply nested")
	}
	return nil
}

func (p *parser) query(sub bool) (*Query, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	q := &Query{Limit: -1, src: p.src}
	if err := p.expect("SELECT"); err != nil {
		return nil, err
	}
	if err := p.selectList(q, sub); err != nil {
		return nil, err
	}
	if err := p.expect("FROM"); err != nil {
		return nil, err
	}
	t := p.next()
	if t.kind != tokIdent || strings.HasSuffix(t.text, ".") {
		return nil, p.unexpected(t)
	}
	q.From, q.fromPos = t.text, t.pos
	p.alias(q)
	return q, p.clauses(q)
}

// clauseWords cannot be aliases.
var clauseWords = map[string]bool{
	"WHERE": true, "ORDER": true, "LIMIT": true, "OFFSET": true, "FOR": true, "ALL": true,
	"GROUP": true, "HAVING": true, "WITH": true, "USING": true,
}

func (p *parser) alias(q *Query) {
	p.accept("AS")
	if t := p.peek(); t.kind == tokIdent && !clauseWords[strings.ToUpper(t.text)] && !strings.Contains(t.text, ".") {
		q.Alias = t.text
		p.i++
	}
}

func (p *parser) clauses(q *Query) error {
	var err error
	if p.accept("WHERE") {
		if q.Where, err = p.condition(); err != nil {
			return err
		}
	}
	if p.accept("ORDER") {
		if err := p.orderBy(q); err != nil {
			return err
		}
	}
	if p.accept("LIMIT") {
		if q.Limit, err = p.count(50_000_000); err != nil {
			return err
		}
	}
	if p.accept("OFFSET") {
		t := p.peek()
		if q.Offset, err = p.count(50_000_000); err != nil {
			return err
		}
		if q.Offset > maxOffset {
			return errorAt(p.src, t.pos, CodeNumberRange, "Maximum SOQL offset allowed is %d", maxOffset)
		}
	}
	return p.tail(q)
}

// tail reads FOR VIEW, FOR REFERENCE, FOR UPDATE and ALL ROWS.
func (p *parser) tail(q *Query) error {
	for p.accept("FOR") {
		if t := p.next(); !t.is("VIEW") && !t.is("REFERENCE") && !t.is("UPDATE") {
			return p.unexpected(t)
		}
	}
	if p.accept("ALL") {
		q.AllRows = true
		return p.expect("ROWS")
	}
	return nil
}

func (p *parser) count(most int) (int, error) {
	t := p.next()
	n, err := strconv.Atoi(t.text)
	if t.kind != tokNumber || err != nil || n < 0 {
		return 0, p.unexpected(t)
	}
	return min(n, most), nil
}

func (p *parser) orderBy(q *Query) error {
	if err := p.expect("BY"); err != nil {
		return err
	}
	for {
		t := p.next()
		if t.kind != tokIdent {
			return p.unexpected(t)
		}
		o := Order{Path: t.text, pos: t.pos}
		if !p.accept("ASC") {
			o.Desc = p.accept("DESC")
		}
		if p.accept("NULLS") {
			switch t := p.next(); {
			case t.is("LAST"):
				o.NullsLast = true
			case !t.is("FIRST"):
				return p.unexpected(t)
			}
		}
		q.OrderBy = append(q.OrderBy, o)
		if !p.accept(",") {
			return nil
		}
	}
}
