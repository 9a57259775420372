package soql

import (
	"strconv"
	"strings"
)

// selectList reads what stands between SELECT and FROM.
func (p *parser) selectList(q *Query, sub bool) error {
	for {
		it, err := p.item(sub, len(q.Select))
		if err != nil {
			return err
		}
		q.Select = append(q.Select, it)
		if !p.accept(",") {
			return nil
		}
	}
}

func (p *parser) item(sub bool, index int) (Item, error) {
	t := p.next()
	switch {
	case t.is("(") && !sub:
		q, err := p.query(true)
		if err != nil {
			return Item{}, err
		}
		return Item{Children: q, pos: t.pos}, p.expect(")")
	case t.kind != tokIdent || t.is("FROM") || t.is("TYPEOF"):
		return Item{}, p.unexpected(t)
	case p.peek().is("("):
		return p.function(t, index)
	}
	return Item{Path: t.text, pos: t.pos}, nil
}

func (p *parser) function(name token, index int) (Item, error) {
	p.next() // the parenthesis
	it := Item{pos: name.pos}
	arg := p.peek()
	switch fn := strings.ToUpper(name.text); fn {
	case "FIELDS":
		it.Fields = strings.ToUpper(arg.text)
		if arg.kind != tokIdent || it.Fields != "ALL" && it.Fields != "STANDARD" && it.Fields != "CUSTOM" {
			return it, p.unexpected(arg)
		}
		p.next()
	case "COUNT", "COUNT_DISTINCT", "MIN", "MAX":
		it.Aggregate = &Aggregate{Func: fn, Alias: "expr" + strconv.Itoa(index)}
		if arg.kind == tokIdent {
			it.Aggregate.Path = p.next().text
		} else if fn != "COUNT" {
			return it, p.unexpected(arg)
		}
	default:
		return it, p.errorf(name, "unexpected token: '('")
	}
	if err := p.expect(")"); err != nil {
		return it, err
	}
	if t := p.peek(); it.Aggregate != nil && it.Aggregate.Path != "" && t.kind == tokIdent && !t.is("FROM") {
		it.Aggregate.Alias = p.next().text
	}
	return it, nil
}
