package config

import (
	"reflect"
	"strings"
	"time"
)

// Section describes a part of the file, for documentation.
type Section struct {
	Path string // such as kafka.tls, orgs.<name> or capture[]; "" for the top
	Doc  string // Markdown
	Keys []Key
}

// Key describes one key of a section.
type Key struct {
	Name     string
	Type     string // such as text, list of text, duration; "section" for one that has keys of its own
	Required bool
	Default  string // as in the file; "" for none
	Values   []string
	Min, Max string
	Unit     string // of a number
	Example  string // as in the file; "" for sections
	Doc      string // Markdown
}

// Reference describes the whole file, section by section, from the tables
// that the decoder works with.
func Reference() []Section { return reference("", "", new(Config)) }

func reference(path, doc string, s section) []Section {
	here := Section{Path: path, Doc: doc}
	var below []Section
	for _, k := range s.keys() {
		def := k.def
		if _, list := k.to.(*[]string); list && def != "" {
			def = "[" + def + "]"
		}
		here.Keys = append(here.Keys, Key{
			Name: k.name, Type: typeName(k.to), Required: k.required, Default: def, Values: k.oneOf,
			Min: k.min, Max: k.max, Unit: k.unit, Example: k.example, Doc: k.doc,
		})
		at := join(path, k.name)
		switch to := k.to.(type) {
		case section:
			below = append(below, reference(at, k.doc, to)...)
		case *map[string]Org:
			below = append(below, reference(at+".<name>", k.doc, new(Org))...)
		case *[]Capture:
			below = append(below, reference(at+"[]", k.doc, new(Capture))...)
		case *[]Writeback:
			below = append(below, reference(at+"[]", k.doc, new(Writeback))...)
		case *[]Publish:
			below = append(below, reference(at+"[]", k.doc, new(Publish))...)
		}
	}
	return append([]Section{here}, below...)
}

func typeName(to any) string {
	switch to.(type) {
	case section:
		return "section"
	case *map[string]Org:
		return "sections by name"
	case *[]Capture, *[]Writeback, *[]Publish:
		return "list of sections"
	case *map[string]string:
		return "texts by name"
	case *Percent:
		return "percentage"
	case *[]string:
		return "list of text"
	case *string:
		return "text"
	case *bool:
		return "true or false"
	case *int:
		return "number"
	case *time.Duration:
		return "duration"
	case *Bytes:
		return "size"
	case *Secret:
		return "secret"
	case *File:
		return "file"
	}
	return reflect.TypeOf(to).String()
}

// homeOf finds the only section that has a key of this name.
func homeOf(name string) (path string, ok bool) {
	for _, s := range Reference() {
		for _, k := range s.Keys {
			if k.Name != name {
				continue
			}
			if ok {
				return "", false
			}
			path, ok = s.Path, true
		}
	}
	return strings.TrimSuffix(path, "[]"), ok && path != ""
}
