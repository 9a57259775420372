package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxNodes bounds the work that aliases can ask for: a list of aliases of
// lists grows with the square of the file.
const maxNodes = 100_000

// decoder carries one file into a Config. It goes on after a problem, so that
// all of them are reported.
type decoder struct {
	file     string
	exp      *expander
	places   map[string]place // by path
	errs     Errors
	warnings Errors
	nodes    int
}

func (d *decoder) add(e *Error) {
	e.File = d.file
	if len(d.errs) < maxErrors {
		d.errs = append(d.errs, e)
	}
}

func (d *decoder) warn(e *Error) {
	e.File = d.file
	if len(d.warnings) < maxErrors {
		d.warnings = append(d.warnings, e)
	}
}

func (d *decoder) fail(path string, line, column int, problem, remedy string) {
	d.add(&Error{Line: line, Column: column, Key: path, Problem: problem, Remedy: remedy})
}

func (d *decoder) failNode(path string, n *yaml.Node, problem, remedy string) {
	d.fail(path, n.Line, n.Column, problem, remedy)
}

// result gives the errors in the order of the file.
func (d *decoder) result() error {
	if len(d.errs) == 0 {
		return nil
	}
	d.errs.sort()
	return d.errs
}

func (d *decoder) given(path string) bool {
	_, ok := d.places[path]
	return ok
}

func (d *decoder) failed(path string) bool {
	return slices.ContainsFunc(d.errs, func(e *Error) bool { return e.Key == path })
}

// position finds the value at a path, or the heading of the nearest part of
// the file that would hold it.
func (d *decoder) position(path string) (line, column int) {
	if p, ok := d.places[path]; ok {
		return p.node.Line, p.node.Column
	}
	for path != "" {
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
		if p, ok := d.places[path]; ok {
			n := cmp.Or(p.key, p.node)
			return n.Line, n.Column
		}
	}
	return 1, 1
}

// section decodes a mapping into the keys of s.
func (d *decoder) section(path string, s section, n *yaml.Node) {
	keys := s.keys()
	n = d.mapping(path, n)
	if n == nil {
		return
	}
	d.pairs(path, n, func(name string, k, v *yaml.Node) {
		i := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
		if i < 0 {
			d.unknown(path, name, k, keys)
			return
		}
		at := join(path, name)
		d.places[at] = place{key: k, node: v}
		d.value(at, keys[i], v)
	})
	for _, k := range keys {
		if k.required && !d.given(join(path, k.name)) {
			at := join(path, k.name)
			line, column := d.position(at)
			d.fail(at, line, column, "is missing", "give "+k.name)
		}
	}
}

// pairs calls fn with each key of a mapping that is a name and not yet there.
func (d *decoder) pairs(path string, n *yaml.Node, fn func(name string, k, v *yaml.Node)) {
	lines := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			d.failNode(path, k, "has a key that is no name", "write key: value")
			continue
		}
		if first, ok := lines[k.Value]; ok {
			d.failNode(join(path, k.Value), k, "is given twice", fmt.Sprintf("remove it; line %d has it", first))
			continue
		}
		lines[k.Value] = k.Line
		fn(k.Value, k, v)
	}
}

func (d *decoder) unknown(path, name string, k *yaml.Node, keys []key) {
	if len(d.errs) >= maxErrors {
		return // would not be reported; looking for a remedy takes time
	}
	if name == "<<" {
		d.failNode(join(path, name), k, "merges keys, which is not supported", "write the keys out")
		return
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.name)
	}
	remedy := choose(name, names)
	if home, ok := homeOf(name); ok {
		if _, near := nearest(name, names); !near {
			remedy = "move it under " + home + " (known here: " + strings.Join(names, ", ") + ")"
		}
	}
	d.failNode(join(path, name), k, "unknown key "+name, remedy)
}

// value decodes the value of one key.
func (d *decoder) value(path string, k key, n *yaml.Node) {
	if !d.present(path, n) {
		return
	}
	switch to := k.to.(type) {
	case section:
		d.section(path, to, n)
	case *map[string]Org:
		d.orgs(path, to, n)
	case *[]Capture:
		sections(d, path, to, n, "{org: main, objects: [Account]}")
	case *[]Writeback:
		sections(d, path, to, n, "{topic: erp.customers, org: main, object: Account, external_id: ERP_Id__c}")
	case *[]Publish:
		sections(d, path, to, n, "{topic: erp.shipments, org: main, event: Shipment__e}")
	case *map[string]string:
		d.texts(path, k, to, n)
	case *[]string:
		d.strings(path, k, to, n)
	default:
		d.scalar(path, k, n)
	}
}

// present refuses values that are not there and values with a tag.
func (d *decoder) present(path string, n *yaml.Node) bool {
	switch n = target(n); {
	case n.Style&yaml.TaggedStyle != 0:
		d.failNode(path, n, "has a YAML tag", "quote a value that begins with an exclamation mark")
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		d.failNode(path, n, "has no value", "give one, in quotes if it begins with # or &, or remove the key")
	default:
		return true
	}
	return false
}

func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// visit counts nodes as they are used, so that aliases count each time.
func (d *decoder) visit(path string, n *yaml.Node) (*yaml.Node, bool) {
	d.nodes++
	if d.nodes == maxNodes+1 {
		d.failNode(path, n, fmt.Sprintf("is where the file has more than %d values, aliases counted each time", maxNodes), "use fewer aliases")
	}
	return target(n), d.nodes <= maxNodes
}

func (d *decoder) mapping(path string, n *yaml.Node) *yaml.Node {
	t, ok := d.visit(path, n)
	if !ok {
		return nil
	}
	if t.Kind != yaml.MappingNode {
		d.failNode(path, n, "is no mapping of keys to values", "write key: value below it, further to the right")
		return nil
	}
	return t
}

func (d *decoder) list(path string, n *yaml.Node, remedy string) []*yaml.Node {
	t, ok := d.visit(path, n)
	if !ok {
		return nil
	}
	if t.Kind != yaml.SequenceNode {
		d.failNode(path, n, "is no list", remedy)
		return nil
	}
	if len(t.Content) == 0 {
		d.failNode(path, n, "is an empty list", "give at least one entry, or remove the key")
	}
	return t.Content
}

func (d *decoder) orgs(path string, to *map[string]Org, n *yaml.Node) {
	n = d.mapping(path, n)
	if n == nil {
		return
	}
	*to = make(map[string]Org)
	if len(n.Content) == 0 {
		d.failNode(path, n, "has no org in it", "give at least one, such as main")
	}
	d.pairs(path, n, func(name string, k, v *yaml.Node) {
		at := join(path, name)
		if is := orgName(name); is != nil {
			d.failNode(at, k, is.problem, is.remedy)
			return
		}
		d.places[at] = place{key: k, node: v}
		var org Org
		setDefaults(&org)
		if d.present(at, v) {
			d.section(at, &org, v)
		}
		(*to)[name] = org
	})
}

// sections decodes a list of sections of one kind.
func sections[T any, S interface {
	*T
	section
}](d *decoder, path string, to *[]T, n *yaml.Node, example string,
) {
	nodes := d.list(path, n, "begin each entry with a hyphen: - "+example)
	*to = make([]T, len(nodes))
	for i, v := range nodes {
		at, s := element(path, i), S(&(*to)[i])
		d.places[at] = place{node: v}
		setDefaults(s)
		if d.present(at, v) {
			d.section(at, s, v)
		}
	}
}

// texts decodes a mapping of names to texts.
func (d *decoder) texts(path string, k key, to *map[string]string, n *yaml.Node) {
	n = d.mapping(path, n)
	if n == nil {
		return
	}
	*to = make(map[string]string)
	if len(n.Content) == 0 {
		d.failNode(path, n, "has nothing in it", "give at least one, such as "+k.example+", or remove the key")
	}
	d.pairs(path, n, func(name string, kn, v *yaml.Node) {
		at := join(path, name)
		d.places[at] = place{key: kn, node: v}
		if k.names != nil {
			if is := k.names(name); is != nil {
				d.report(at, kn, is)
				return
			}
		}
		text, ok := d.text(at, v)
		switch {
		case !ok:
		case text == "":
			d.failNode(at, v, "is empty", "give a value, or remove the entry")
		default:
			(*to)[name] = text
			d.report(at, v, k.accept(text))
		}
	})
}

// strings decodes a list of strings. A bad entry keeps its place in the list,
// so that later checks find the others under their index.
func (d *decoder) strings(path string, k key, to *[]string, n *yaml.Node) {
	*to = nil
	for i, v := range d.list(path, n, "write it in brackets, separated by commas: "+k.example) {
		at := element(path, i)
		text, ok := d.text(at, v)
		if ok && text == "" {
			d.failNode(at, v, "is empty", "give a value, or remove the entry")
		}
		parts := []string{text}
		if k.commas {
			parts = splitList(text)
		}
		*to = append(*to, parts...)
		for _, p := range parts {
			d.report(at, v, k.accept(p))
		}
	}
}

// scalar decodes a single value.
func (d *decoder) scalar(path string, k key, n *yaml.Node) {
	_, secret := k.to.(*Secret)
	text, ok := d.text(path, n)
	if secret {
		d.redact(path)
	}
	if !ok {
		return
	}
	if text == "" && !k.mayBeEmpty() {
		d.failNode(path, n, "is empty", "give a value, or remove the key")
		return
	}
	switch to := k.to.(type) {
	case *Secret:
		*to = d.exp.secret(target(n).Value)
		if k.valid != nil {
			d.report(path, n, k.valid(text))
		}
	case *File:
		*to = File{Path: d.exp.path(text), read: d.exp.read}
		d.readable(path, k, *to, n)
	default:
		d.report(path, n, k.set(text))
	}
}

// readable checks a file by reading it.
func (d *decoder) readable(path string, k key, f File, n *yaml.Node) {
	data, err := f.read(f.Path)
	if err != nil {
		d.report(path, n, &issue{problem: fmt.Sprintf("cannot be read as %s: %v", f.Path, reason(err)), remedy: fileRemedy(err)})
		return
	}
	if k.valid != nil {
		d.report(path, n, k.valid(string(data)))
	}
}

// text gives a scalar as its writer meant it, expansions replaced.
func (d *decoder) text(path string, n *yaml.Node) (string, bool) {
	t, ok := d.visit(path, n)
	if !ok {
		return "", false
	}
	if t.Kind != yaml.ScalarNode {
		d.failNode(path, n, "is no single value", "write one value, in quotes if it begins with { or [")
		return "", false
	}
	d.places[path] = place{key: d.places[path].key, node: n, shown: shown(t.Value)}
	if !d.present(path, t) {
		return "", false
	}
	text, err := d.exp.expand(t.Value)
	if ee, bad := errors.AsType[*expandError](err); bad {
		d.failNode(path, n, ee.problem, ee.remedy)
		return "", false
	}
	return text, true
}

func (d *decoder) redact(path string) {
	if p, ok := d.places[path]; ok {
		p.shown = redacted
		d.places[path] = p
	}
}

// report adds what was found wrong with the value at path.
func (d *decoder) report(path string, n *yaml.Node, is *issue) {
	if is == nil {
		return
	}
	e := &Error{Line: n.Line, Column: n.Column, Key: path, Value: d.places[path].shown, Problem: is.problem, Remedy: is.remedy}
	if is.warning {
		d.warn(e)
		return
	}
	d.add(e)
}

// shown is a value as errors may show it: as written, so without what
// expansions put in, shortened, and without the password of a URL.
func shown(text string) string {
	const most = 80
	if u, err := url.Parse(text); strings.Contains(text, "@") && strings.Contains(text, "://") {
		if err != nil || u.User == nil {
			return redacted
		}
		u.User = url.User(redacted)
		text = u.Scheme + "://" + redacted + "@" + u.Host
	}
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "..."
	}
	return text
}
