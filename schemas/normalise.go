package schemas

import (
	"strconv"
	"strings"
)

// The normal form differs from Salesforce's schema in two ways, neither of which
// changes how a datum is written: a union that starts with null has the default
// null, without which a registry refuses a field added later as incompatible;
// and names are legal Avro names. Docs, order and all other attributes stay.

// defaultNull gives field the default null if its type is a union that starts
// with null.
func defaultNull(field *object, n *node) {
	if n.kind == kindUnion && n.union[0].kind == kindNull && !field.has("default") {
		field.set("default", nil)
	}
}

// legalName makes full a legal and unused full name and writes it to o.
func (p *parser) legalName(o *object, full string) string {
	parts := strings.Split(full, ".")
	for i, part := range parts {
		parts[i] = legalIdentifier(part)
	}
	legal := p.legal.unused(strings.Join(parts, "."))
	p.legal.add(legal)
	if legal != full {
		i := strings.LastIndexByte(legal, '.')
		o.set("name", legal[i+1:])
		if i >= 0 {
			o.set("namespace", legal[:i])
		}
	}
	return legal
}

// legalIn makes name a legal identifier that is not yet taken.
func legalIn(taken names, name string) string {
	legal := legalIdentifier(name)
	if legal == name {
		return name
	}
	return taken.unused(legal)
}

// legalIdentifier replaces what Avro does not allow, [A-Za-z_][A-Za-z0-9_]*, by
// underscores.
func legalIdentifier(name string) string {
	legal := strings.Map(func(r rune) rune {
		if r == '_' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' {
			return r
		}
		return '_'
	}, name)
	if legal == "" || '0' <= legal[0] && legal[0] <= '9' {
		legal = "_" + legal
	}
	return legal
}

// names are those given out in one scope, with the last number that was added to
// each, so that many equal ones cost no search.
type names map[string]int

func (t names) has(name string) bool { return t[name] > 0 }

func (t names) add(name string) { t[name] = max(t[name], 1) }

// unused adds to name the first number that makes it new.
func (t names) unused(name string) string {
	if !t.has(name) {
		return name
	}
	for n := t[name] + 1; ; n++ {
		if numbered := name + "_" + strconv.Itoa(n); !t.has(numbered) {
			t[name] = n
			return numbered
		}
	}
}
