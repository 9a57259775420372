package soql

import "strings"

// condition reads terms joined by AND, or by OR. SOQL knows no precedence
// between the two: mixing them without parentheses is an error.
func (p *parser) condition() (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	first, err := p.term()
	if err != nil {
		return nil, err
	}
	word := ""
	switch t := p.peek(); {
	case t.is("AND"):
		word = "AND"
	case t.is("OR"):
		word = "OR"
	default:
		return first, nil
	}
	l := &Logic{Or: word == "OR", Terms: []Expr{first}}
	for p.accept(word) {
		t, err := p.term()
		if err != nil {
			return nil, err
		}
		l.Terms = append(l.Terms, t)
	}
	if t := p.peek(); t.is("AND") || t.is("OR") {
		return nil, p.unexpected(t)
	}
	return l, nil
}

func (p *parser) term() (Expr, error) {
	if p.accept("NOT") {
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer func() { p.depth-- }()
		t, err := p.term()
		if err != nil {
			return nil, err
		}
		return &Not{Term: t}, nil
	}
	if p.accept("(") {
		e, err := p.condition()
		if err != nil {
			return nil, err
		}
		return e, p.expect(")")
	}
	return p.compare()
}

func (p *parser) compare() (Expr, error) {
	t := p.next()
	if t.kind != tokIdent {
		return nil, p.unexpected(t)
	}
	c := &Compare{Path: t.text, pos: t.pos}
	op := p.next()
	switch word := strings.ToUpper(op.text); {
	case op.kind == tokPunct && strings.Contains("= != <> < <= > >=", op.text):
		c.Op = strings.Replace(op.text, "<>", "!=", 1)
	case op.kind == tokIdent && (word == "IN" || word == "INCLUDES" || word == "EXCLUDES"):
		c.Op = word
		return c, p.list(c)
	case op.is("NOT"):
		c.Op = "NOT IN"
		if err := p.expect("IN"); err != nil {
			return nil, err
		}
		return c, p.list(c)
	case op.is("LIKE"):
		c.Op = "LIKE"
	default:
		return nil, p.unexpected(op)
	}
	lit, err := p.literal()
	if err != nil {
		return nil, err
	}
	c.Values = []Literal{lit}
	return c, nil
}

// list reads the parenthesised values, or the sub-query, of IN and its kin.
func (p *parser) list(c *Compare) error {
	if err := p.expect("("); err != nil {
		return err
	}
	if p.peek().is("SELECT") && strings.HasSuffix(c.Op, "IN") {
		q, err := p.query(true)
		if err != nil {
			return err
		}
		c.Query = q
		return p.expect(")")
	}
	for {
		lit, err := p.literal()
		if err != nil {
			return err
		}
		c.Values = append(c.Values, lit)
		if !p.accept(",") {
			return p.expect(")")
		}
	}
}

func (p *parser) literal() (Literal, error) {
	t := p.next()
	lit := Literal{text: t.text, raw: t.raw, pos: t.pos}
	switch t.kind {
	case tokString:
		lit.kind = litString
		return lit, nil
	case tokNumber:
		return number(p.src, t)
	case tokDateLit:
		name, count, _ := strings.Cut(strings.ToUpper(t.text), ":")
		if !dateCounted[name] || len(count) > len("100000") || count > "100000" && len(count) == 6 {
			return lit, p.unexpected(t)
		}
		lit.kind = litRange
		return lit, nil
	case tokIdent:
		switch word := strings.ToUpper(t.text); {
		case word == "NULL":
			return lit, nil
		case word == "TRUE":
			lit.kind, lit.n = litBool, 1
			return lit, nil
		case word == "FALSE":
			lit.kind = litBool
			return lit, nil
		case dateNames[word]:
			lit.kind = litRange
			return lit, nil
		}
	}
	return lit, p.unexpected(t)
}
