package schemas

import (
	"encoding/json"
	"fmt"
	"strings"
)

// parser turns a schema tree into nodes and normalises the tree on the way.
type parser struct {
	named map[string]*node // by the full name as it is spelt in the schema
	legal names            // full names given out
	nodes []*node
}

// parse compiles tree. Afterwards tree is in its normal form: see normalise.go.
func parse(tree any) (*node, any, error) {
	p := newParser()
	root, tree, err := p.schema(tree, "")
	if err == nil {
		err = p.settle()
	}
	if err != nil {
		return nil, nil, err
	}
	return root, tree, nil
}

func newParser() *parser {
	return &parser{named: make(map[string]*node), legal: make(names)}
}

// settle ends the parsing: all types are known.
func (p *parser) settle() error {
	settleMinimums(p.nodes)
	for _, n := range p.nodes {
		if n.min >= endless {
			return fmt.Errorf("record %s contains itself without end", n.name)
		}
	}
	return nil
}

func (p *parser) add(n *node) *node {
	p.nodes = append(p.nodes, n)
	return n
}

// schema compiles one type in namespace ns and returns the tree to write in its
// place.
func (p *parser) schema(tree any, ns string) (*node, any, error) {
	switch t := tree.(type) {
	case string:
		return p.reference(t, ns)
	case []any:
		n, err := p.union(t, ns)
		return n, t, err
	case *object:
		n, err := p.object(t, ns)
		return n, t, err
	}
	return nil, nil, fmt.Errorf("a schema is a name, an object or an array, not %v", tree)
}

func (p *parser) reference(name, ns string) (*node, any, error) {
	if k := primitives[name]; k != kindInvalid {
		return p.add(&node{kind: k}), name, nil
	}
	full := fullName(name, ns)
	n, ok := p.named[full]
	if !ok {
		return nil, nil, fmt.Errorf("type %q is not defined", full)
	}
	if n.name != full {
		return n, n.name, nil
	}
	return n, name, nil
}

func (p *parser) union(branches []any, ns string) (*node, error) {
	if len(branches) == 0 {
		return nil, fmt.Errorf("a union needs a branch")
	}
	n := p.add(&node{kind: kindUnion})
	seen := make(map[string]bool)
	for i, b := range branches {
		branch, tree, err := p.schema(b, ns)
		if err != nil {
			return nil, fmt.Errorf("branch %d: %w", i, err)
		}
		if branch.kind == kindUnion {
			return nil, fmt.Errorf("branch %d: a union directly inside a union", i)
		}
		if name := branch.typeName(); seen[name] {
			return nil, fmt.Errorf("branch %d: a second %s", i, name)
		}
		seen[branch.typeName()] = true
		branches[i] = tree
		n.union = append(n.union, branch)
	}
	return n, nil
}

func (p *parser) object(o *object, ns string) (*node, error) {
	kindName, ok := o.get("type").(string)
	if !ok {
		if !o.has("type") {
			return nil, fmt.Errorf("a schema object needs a type")
		}
		n, tree, err := p.schema(o.get("type"), ns)
		o.set("type", tree)
		return n, err
	}
	switch kindName {
	case "record", "error":
		return p.record(o, ns)
	case "enum":
		return p.enum(o, ns)
	case "fixed":
		return p.fixed(o, ns)
	case "array":
		return p.container(o, ns, kindArray, "items")
	case "map":
		return p.container(o, ns, kindMap, "values")
	}
	n, tree, err := p.reference(kindName, ns)
	if err == nil && n.name == "" { // a primitive type, whose node is this one's own
		n.annotate(o)
	}
	o.set("type", tree)
	return n, err
}

func (p *parser) container(o *object, ns string, k kind, key string) (*node, error) {
	if !o.has(key) {
		return nil, fmt.Errorf("%s needs %s", k, key)
	}
	n := p.add(&node{kind: k})
	items, tree, err := p.schema(o.get(key), ns)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	n.items = items
	o.set(key, tree)
	return n, nil
}

// define makes the node of a named type known, and gives its namespace, which
// the types inside it share.
func (p *parser) define(o *object, ns string, k kind) (*node, string, error) {
	name := o.text("name")
	if name == "" {
		return nil, "", fmt.Errorf("%s needs a name", k)
	}
	if own, ok := o.get("namespace").(string); ok && !strings.Contains(name, ".") {
		ns = own
	}
	full := fullName(name, ns)
	if p.named[full] != nil {
		return nil, "", fmt.Errorf("type %q is defined twice", full)
	}
	n := p.add(&node{kind: k, name: p.legalName(o, full)})
	p.named[full] = n
	space := ""
	if i := strings.LastIndexByte(full, '.'); i >= 0 {
		space = full[:i]
	}
	return n, space, nil
}

func (p *parser) record(o *object, ns string) (*node, error) {
	n, space, err := p.define(o, ns, kindRecord)
	if err != nil {
		return nil, err
	}
	fields, ok := o.get("fields").([]any)
	if !ok {
		return nil, fmt.Errorf("record %s needs fields", n.name)
	}
	taken := make(names, len(fields))
	for i, f := range fields {
		fo, ok := f.(*object)
		if !ok || fo.text("name") == "" || !fo.has("type") {
			return nil, fmt.Errorf("record %s: field %d needs a name and a type", n.name, i)
		}
		if taken.has(fo.text("name")) {
			return nil, fmt.Errorf("record %s: field %s twice", n.name, fo.text("name"))
		}
		taken.add(fo.text("name"))
	}
	for _, f := range fields {
		fo := f.(*object)
		given := fo.text("name")
		name := legalIn(taken, given)
		if name != given {
			taken.add(name)
			fo.set("name", name)
		}
		fn, tree, err := p.schema(fo.get("type"), space)
		if err != nil {
			return nil, fmt.Errorf("record %s: field %s: %w", n.name, given, err)
		}
		fo.set("type", tree)
		defaultNull(fo, fn)
		nullFirst := fn.kind == kindUnion && fn.union[0].kind == kindNull
		n.fields = append(n.fields, field{name: name, spelt: given, doc: fo.text("doc"), node: fn, nullFirst: nullFirst})
	}
	return n, nil
}

func (p *parser) enum(o *object, ns string) (*node, error) {
	n, _, err := p.define(o, ns, kindEnum)
	if err != nil {
		return nil, err
	}
	symbols, ok := o.get("symbols").([]any)
	if !ok || len(symbols) == 0 {
		return nil, fmt.Errorf("enum %s needs symbols", n.name)
	}
	taken := make(names, len(symbols))
	for i, s := range symbols {
		given, ok := s.(string)
		if !ok || taken.has(given) {
			return nil, fmt.Errorf("enum %s: symbol %d is not a new string", n.name, i)
		}
		taken.add(given)
	}
	for i, s := range symbols {
		given := s.(string)
		name := legalIn(taken, given)
		taken.add(name)
		symbols[i] = name
		n.symbols = append(n.symbols, name)
		n.spelt = append(n.spelt, given)
	}
	return n, nil
}

func (p *parser) fixed(o *object, ns string) (*node, error) {
	n, _, err := p.define(o, ns, kindFixed)
	if err != nil {
		return nil, err
	}
	size, ok := o.get("size").(json.Number)
	bytes, err := size.Int64()
	if !ok || err != nil || bytes < 1 || bytes > maxSchemaBytes {
		return nil, fmt.Errorf("fixed %s: size %v is not a number from 1 to %d", n.name, o.get("size"), maxSchemaBytes)
	}
	n.size = int(bytes)
	n.annotate(o)
	return n, nil
}

// fullName resolves a name in namespace ns, by the rules of the Avro
// specification, "Names".
func fullName(name, ns string) string {
	if ns == "" || strings.Contains(name, ".") {
		return name
	}
	return ns + "." + name
}
