package expression

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// step is one part of a path: the name of a field, or an index.
type step struct {
	name  string
	index int // -1 for a name
}

// literals are words of the language that look like a path.
var literals = map[string]bool{"true": true, "false": true, "nil": true, "null": true, "$env": true}

// parsePath takes text for a path, as in a.b[0].c["d e"], if it is one.
func parsePath(text string) ([]step, bool) {
	name, rest := cutName(text)
	if name == "" || literals[name] {
		return nil, false
	}
	path := []step{{name, -1}}
	for rest != "" {
		var next step
		var ok bool
		switch rest[0] {
		case '.':
			next.name, rest = cutName(rest[1:])
			next.index, ok = -1, next.name != ""
		case '[':
			next, rest, ok = cutBracket(rest[1:])
		}
		if !ok {
			return nil, false
		}
		path = append(path, next)
	}
	return path, true
}

// cutName takes a name off the front of text.
func cutName(text string) (name, rest string) {
	for i, r := range text {
		if r == '_' || r == '$' || unicode.IsLetter(r) || i > 0 && unicode.IsDigit(r) {
			continue
		}
		return text[:i], text[i:]
	}
	return text, ""
}

// cutBracket takes what stands between brackets off the front of text, whose
// opening one is gone: an index, or a name in quotes.
func cutBracket(text string) (s step, rest string, ok bool) {
	inner, rest, ok := strings.Cut(text, "]")
	if n := len(inner); n >= 2 && (inner[0] == '"' || inner[0] == '\'') {
		name := inner[1 : n-1]
		return step{name, -1}, rest, ok && inner[n-1] == inner[0] && !strings.ContainsAny(name, "\\\"'") && utf8.ValidString(name)
	}
	index, err := strconv.ParseUint(inner, 10, 31)
	return step{index: int(index)}, rest, ok && err == nil
}

// follow gives what a path leads to.
func follow(in *Input, path []step) (v any, present bool) {
	v, present = in.field(path[0].name)
	for _, s := range path[1:] {
		if !present {
			return nil, false
		}
		v, present = s.of(v)
	}
	if m, ok := v.(map[string]string); ok {
		return anyMap(m), present
	}
	return v, present
}

// of takes the step from v.
func (s step) of(v any) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		if s.index < 0 {
			inner, ok := v[s.name]
			return inner, ok
		}
	case map[string]string:
		if s.index < 0 {
			inner, ok := v[s.name]
			return inner, ok
		}
	case string:
		if s.index >= 0 {
			out, ok, _ := memberOf(v, s.index)
			return out, ok
		}
	case []any:
		if 0 <= s.index && s.index < len(v) {
			return v[s.index], true
		}
	}
	return nil, false
}

// field gives what a name at the front of a path means.
func (in *Input) field(name string) (v any, present bool) {
	switch name {
	case "_value":
		return in.Value, in.Value != nil
	case "_key":
		return in.Key, in.Key != nil
	case "_topic":
		return in.Topic, true
	case "_partition":
		return integerNumber(int64(in.Partition)), true
	case "_offset":
		return integerNumber(in.Offset), true
	case "_timestamp":
		return integerNumber(in.Timestamp), true
	case "_headers":
		return in.Headers, true
	}
	m, _ := in.Value.(map[string]any)
	v, present = m[name]
	return v, present
}

func integerNumber(i int64) json.Number { return json.Number(strconv.FormatInt(i, 10)) }

func anyMap(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}
