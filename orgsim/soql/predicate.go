package soql

import (
	"strings"
)

// predicate decides whether a row of the plan's object matches.
type predicate func(r *run, row Row) bool

// expr binds a condition.
func (b *binder) expr(e Expr) (predicate, error) {
	switch e := e.(type) {
	case *Logic:
		return b.logic(e)
	case *Not:
		inner, err := b.expr(e.Term)
		if err != nil {
			return nil, err
		}
		return func(r *run, row Row) bool { return !inner(r, row) }, nil
	default:
		return b.compare(e.(*Compare))
	}
}

func (b *binder) logic(l *Logic) (predicate, error) {
	var terms []predicate
	for _, t := range l.Terms {
		bound, err := b.expr(t)
		if err != nil {
			return nil, err
		}
		terms = append(terms, bound)
	}
	return func(r *run, row Row) bool {
		for _, t := range terms {
			if t(r, row) == l.Or {
				return l.Or
			}
		}
		return !l.Or
	}, nil
}

func (b *binder) compare(c *Compare) (predicate, error) {
	path, f, err := b.resolve(c.Path, c.pos)
	if err != nil {
		return nil, err
	}
	if f.Kind == LongText || f.Kind == Compound {
		return nil, errorAt(b.q.src, c.pos, CodeInvalidField, "field '%s' can not be filtered in a query call", f.Name)
	}
	if c.Query != nil {
		return b.semiJoin(c, path, f)
	}
	tests := make([]func(Value) bool, 0, len(c.Values))
	for _, lit := range c.Values {
		test, err := b.test(c, f, lit)
		if err != nil {
			return nil, err
		}
		tests = append(tests, test)
	}
	negated := c.Op == "NOT IN" || c.Op == "EXCLUDES"
	if c.Op == "IN" || c.Op == "NOT IN" {
		if set := exactSet(f, c.Values); set != nil {
			return func(r *run, row Row) bool {
				v, _ := r.follow(row, path).Value(f.Name).(string)
				return set[v] != negated
			}, nil
		}
	}
	return func(r *run, row Row) bool {
		v := r.follow(row, path).Value(f.Name)
		for _, t := range tests {
			if t(v) {
				return !negated
			}
		}
		return negated
	}, nil
}

// exactSet makes long lists of ids a look-up; other kinds compare one by one.
func exactSet(f Field, values []Literal) map[string]bool {
	if f.Kind != ID || len(values) < 8 {
		return nil
	}
	set := make(map[string]bool, len(values))
	for _, v := range values {
		if v.kind != litString {
			return nil
		}
		set[To18(v.text)] = true
	}
	return set
}

// test binds one comparison of a value with one literal.
func (b *binder) test(c *Compare, f Field, lit Literal) (func(Value) bool, error) {
	if err := b.checkLiteral(c, f, lit); err != nil {
		return nil, err
	}
	switch {
	case c.Op == "LIKE":
		match := like(lit.raw)
		return func(v Value) bool { s, ok := v.(string); return ok && match(s) }, nil
	case c.Op == "INCLUDES" || c.Op == "EXCLUDES":
		want := strings.Split(lit.text, ";")
		return func(v Value) bool { return includes(v, want) }, nil
	case lit.kind == litRange:
		return b.rangeTest(c.Op, f, lit), nil
	}
	want := literalValue(f, lit)
	return func(v Value) bool {
		if v == nil || want == nil { // null is neither less nor more
			same := v == want || lit.kind == litString && lit.text == "" && v == nil
			return (c.Op == "!=") != same && (c.Op == "=" || c.Op == "!=" || c.Op == "IN" || c.Op == "NOT IN")
		}
		return holds(c.Op, compareValues(f, v, want))
	}, nil
}

func holds(op string, sign int) bool {
	switch op {
	case "!=":
		return sign != 0
	case "<":
		return sign < 0
	case "<=":
		return sign <= 0
	case ">":
		return sign > 0
	case ">=":
		return sign >= 0
	}
	return sign == 0
}

// checkLiteral refuses values of the wrong type, in Salesforce's words.
func (b *binder) checkLiteral(c *Compare, f Field, lit Literal) error {
	bad := func(tail string) error {
		return errorAt(b.q.src, lit.pos, CodeInvalidField,
			"value of filter criterion for field '%s' must be of type %s%s", f.Name, f.Kind.noun(), tail)
	}
	switch {
	case c.Op == "LIKE" && (lit.kind != litString || f.Kind != String && f.Kind != Multi):
		return errorAt(b.q.src, c.pos, CodeFilter, "invalid operator on %s field", strings.ToLower(f.Kind.noun()))
	case strings.HasSuffix(c.Op, "CLUDES") && f.Kind != Multi:
		return errorAt(b.q.src, c.pos, CodeFilter, "includes or excludes operator only valid on multipicklist field")
	case (f.Kind == Bool || f.Kind == ID || f.Kind == Multi) && strings.ContainsAny(c.Op, "<>"):
		return errorAt(b.q.src, c.pos, CodeFilter, "invalid operator on %s field", strings.ToLower(f.Kind.noun()))
	case lit.kind == litNull:
		return nil
	case f.Kind == ID && lit.kind == litString && lit.text != "" && len(lit.text) != 15 && len(lit.text) != 18:
		return errorAt(b.q.src, c.pos, CodeFilter, "invalid ID field: %s", lit.text)
	}
	ok, textual := false, false
	switch f.Kind {
	case String, Multi, ID:
		ok, textual = lit.kind == litString, true
	case Bool:
		ok = lit.kind == litBool
	case Number:
		ok = lit.kind == litNumber
	case Date:
		ok = lit.kind == litDate || lit.kind == litRange
	case DateTime:
		ok = lit.kind == litDateTime || lit.kind == litRange
	case Time:
		ok = lit.kind == litTime
	}
	switch {
	case ok:
		return nil
	case textual:
		return bad(" and should be enclosed in quotes")
	case lit.kind == litString:
		return bad(" and should not be enclosed in quotes")
	}
	return bad("")
}

// literalValue is the literal as a value of the field's kind.
func literalValue(f Field, lit Literal) Value {
	switch lit.kind {
	case litString:
		if lit.text == "" {
			return nil // Salesforce stores no empty strings
		}
		if f.Kind == ID {
			return To18(lit.text)
		}
		return lit.text
	case litBool:
		return lit.n == 1
	case litNumber:
		return Num(lit.text)
	case litDate:
		return Day(lit.n)
	case litDateTime:
		return Stamp(lit.n)
	case litTime:
		return Clock(lit.n)
	}
	return nil
}

// rangeTest compares with the span of days of a date literal: less than its
// start, within it, or at its end and later.
func (b *binder) rangeTest(op string, f Field, lit Literal) func(Value) bool {
	from, to := dateRange(lit.text, b.now)
	lo, hi := from.UnixMilli(), to.UnixMilli()
	if f.Kind == Date {
		lo, hi = int64(dayOf(from)), int64(dayOf(to))
	}
	return func(v Value) bool {
		n, ok := ticks(v)
		if !ok {
			return op == "!="
		}
		sign := 0
		switch {
		case n < lo:
			sign = -1
		case n >= hi:
			sign = 1
		}
		return holds(op, sign)
	}
}

func ticks(v Value) (int64, bool) {
	switch v := v.(type) {
	case Day:
		return int64(v), true
	case Stamp:
		return int64(v), true
	case Clock:
		return int64(v), true
	}
	return 0, false
}

// includes tells whether a multi-select value holds all the wanted ones.
func includes(v Value, want []string) bool {
	s, ok := v.(string)
	if !ok {
		return false
	}
	have := strings.Split(s, ";")
	for _, w := range want {
		found := false
		for _, h := range have {
			found = found || strings.EqualFold(h, w)
		}
		if !found {
			return false
		}
	}
	return true
}

// semiJoin binds IN (SELECT field FROM ...); the inner query runs once a run.
func (b *binder) semiJoin(c *Compare, path refPath, f Field) (predicate, error) {
	inner, err := Bind(c.Query, b.cat, b.now)
	if err != nil {
		return nil, err
	}
	if len(inner.columns) != 1 || inner.columns[0].children != nil || inner.groups {
		return nil, errorAt(b.q.src, c.Query.fromPos, CodeMalformed, "Nested queries can only return one column")
	}
	if f.Kind != ID {
		return nil, errorAt(b.q.src, c.pos, CodeMalformed,
			"The left operand cannot have more than one level of relationships and must be an ID field: %s", f.Name)
	}
	negated := c.Op == "NOT IN"
	return func(r *run, row Row) bool {
		set := r.semi(inner)
		v, _ := r.follow(row, path).Value(f.Name).(string)
		return set[v] != negated
	}, nil
}
