package embedded

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// unreadable lists why data written with one schema cannot be read with
// another. Schemas that are not JSON are no reason: srfake refuses them.
func unreadable(reader, writer string) []string {
	var r, w any
	if json.Unmarshal([]byte(reader), &r) != nil || json.Unmarshal([]byte(writer), &w) != nil {
		return nil
	}
	res := resolver{
		reader: side{named: make(map[string]map[string]any)},
		writer: side{named: make(map[string]map[string]any)},
		seen:   make(map[[2]string]bool),
	}
	res.reader.collect(r, "")
	res.writer.collect(w, "")
	return res.check(r, w, "")
}

// side is one of the two schemas, with its named types.
type side struct{ named map[string]map[string]any }

// resolver compares two schemas.
type resolver struct {
	reader, writer side
	seen           map[[2]string]bool // pairs of records under way, since types may be recursive
}

// collect notes the named types below v, and writes full names into them.
func (s *side) collect(v any, ns string) {
	switch v := v.(type) {
	case []any:
		for _, b := range v {
			s.collect(b, ns)
		}
	case map[string]any:
		switch v["type"] {
		case "record", "error", "enum", "fixed":
			name, _ := v["name"].(string)
			if own, ok := v["namespace"].(string); ok && !strings.Contains(name, ".") {
				ns = own
			}
			full := qualify(name, ns)
			v["name"] = full
			s.named[full] = v
			ns = ""
			if i := strings.LastIndexByte(full, '.'); i >= 0 {
				ns = full[:i]
			}
			fields, _ := v["fields"].([]any)
			for _, f := range fields {
				if f, ok := f.(map[string]any); ok {
					f["type"] = s.qualified(f["type"], ns)
					s.collect(f["type"], ns)
				}
			}
		default:
			for _, key := range []string{"type", "items", "values"} {
				v[key] = s.qualified(v[key], ns)
				s.collect(v[key], ns)
			}
		}
	}
}

// qualified gives names of types in ns their full form.
func (s *side) qualified(v any, ns string) any {
	switch v := v.(type) {
	case string:
		if !builtin[v] {
			return qualify(v, ns)
		}
	case []any:
		for i := range v {
			v[i] = s.qualified(v[i], ns)
		}
	}
	return v
}

func qualify(name, ns string) string {
	if ns == "" || strings.Contains(name, ".") {
		return name
	}
	return ns + "." + name
}

var builtin = map[string]bool{
	"null": true, "boolean": true, "int": true, "long": true, "float": true, "double": true, "bytes": true, "string": true,
	"record": true, "error": true, "enum": true, "fixed": true, "array": true, "map": true,
}

// kindOf resolves references and gives the type's kind and its object.
func (s *side) kindOf(v any) (string, map[string]any) {
	switch v := v.(type) {
	case string:
		if def, ok := s.named[v]; ok {
			return s.kindOf(def)
		}
		return v, nil
	case map[string]any:
		if t, ok := v["type"].(string); ok && builtin[t] {
			return t, v
		}
		return s.kindOf(v["type"])
	}
	return "union", nil
}

// promotions are the wider types that a reader may use (Avro specification).
var promotions = map[string][]string{
	"int": {"long", "float", "double"}, "long": {"float", "double"}, "float": {"double"},
	"string": {"bytes"}, "bytes": {"string"},
}

func (res *resolver) check(r, w any, path string) []string {
	if branches, ok := w.([]any); ok {
		var reasons []string
		for _, b := range branches {
			reasons = append(reasons, res.check(r, b, path)...)
		}
		return reasons
	}
	if branches, ok := r.([]any); ok {
		for _, b := range branches {
			if len(res.check(b, w, path)) == 0 {
				return nil
			}
		}
		kind, _ := res.writer.kindOf(w)
		return []string{fmt.Sprintf("MISSING_UNION_BRANCH at %s/: the union has no branch for %s", path, kind)}
	}
	rk, ro := res.reader.kindOf(r)
	wk, wo := res.writer.kindOf(w)
	if rk != wk {
		if slices.Contains(promotions[wk], rk) {
			return nil
		}
		return []string{fmt.Sprintf("TYPE_MISMATCH at %s/: %s is not %s", path, rk, wk)}
	}
	switch rk {
	case "record", "error":
		return res.records(ro, wo, path)
	case "enum":
		return enums(ro, wo, path)
	case "fixed":
		if ro["size"] != wo["size"] {
			return []string{fmt.Sprintf("FIXED_SIZE_MISMATCH at %s/size", path)}
		}
	case "array":
		return res.check(ro["items"], wo["items"], path+"/items")
	case "map":
		return res.check(ro["values"], wo["values"], path+"/values")
	}
	return nil
}

func (res *resolver) records(r, w map[string]any, path string) []string {
	rn, _ := r["name"].(string)
	wn, _ := w["name"].(string)
	if rn != wn {
		return []string{fmt.Sprintf("NAME_MISMATCH at %s/name: expected %s, found %s", path, wn, rn)}
	}
	if res.seen[[2]string{rn, wn}] {
		return nil
	}
	res.seen[[2]string{rn, wn}] = true
	written := make(map[string]any)
	wFields, _ := w["fields"].([]any)
	for _, f := range wFields {
		if f, ok := f.(map[string]any); ok {
			name, _ := f["name"].(string)
			written[name] = f["type"]
		}
	}
	var reasons []string
	rFields, _ := r["fields"].([]any)
	for i, f := range rFields {
		f, ok := f.(map[string]any)
		if !ok {
			continue
		}
		name, _ := f["name"].(string)
		if wt, ok := written[name]; ok {
			for _, why := range res.check(f["type"], wt, fmt.Sprintf("%s/fields/%d/type", path, i)) {
				reasons = append(reasons, why+" (field "+name+")")
			}
		} else if _, hasDefault := f["default"]; !hasDefault {
			reasons = append(reasons, fmt.Sprintf("READER_FIELD_MISSING_DEFAULT_VALUE at %s/fields/%d (field %s)", path, i, name))
		}
	}
	return reasons
}

func enums(r, w map[string]any, path string) []string {
	if _, ok := r["default"]; ok {
		return nil
	}
	have, _ := r["symbols"].([]any)
	wrote, _ := w["symbols"].([]any)
	for _, s := range wrote {
		if !slices.Contains(have, s) {
			return []string{fmt.Sprintf("MISSING_ENUM_SYMBOLS at %s/symbols: %v", path, s)}
		}
	}
	return nil
}
