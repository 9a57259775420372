package schemas

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// AppendValues encodes a whole datum from plain Go values, as Values gives and
// as encoding/json decodes: a number goes into any numeric type that holds it
// exactly, a json.Number without a step through a float, and a union takes the
// first branch that fits. Values in Avro's tagged form, {"string": "x"}, are
// taken too. A field that is missing is null where the schema allows null. The
// error names the field; a name that the schema lacks is one.
func (c *Codec) AppendValues(dst []byte, values map[string]any) ([]byte, error) {
	if c.root.kind != kindRecord {
		return nil, fmt.Errorf("encode %s: not a record", c.name)
	}
	return c.appendFields(dst, c.root.fields, values)
}

// AppendBody encodes the body of a change event, every field but the header,
// like AppendValues. The result is a body for AppendChange.
func (c *Codec) AppendBody(dst []byte, values map[string]any) ([]byte, error) {
	if c.header == nil {
		return nil, fmt.Errorf("encode %s: %w", c.name, ErrNotChangeEvent)
	}
	if c.extras { // AppendChange looks for the header's unknown fields here
		dst = appendZero(dst, c.root.fields[0].node, 0)
	}
	return c.appendFields(dst, c.root.fields[1:], values)
}

func (c *Codec) appendFields(dst []byte, fields []field, values map[string]any) ([]byte, error) {
	out, err := appendFields(dst, fields, values, 0)
	if err == nil {
		return out, nil
	}
	if fe, ok := err.(*fieldError); ok {
		return nil, fmt.Errorf("encode %s.%s: %w", c.name, fe.path, fe.err)
	}
	return nil, fmt.Errorf("encode %s: %w", c.name, err)
}

func appendFields(dst []byte, fields []field, values map[string]any, depth int) ([]byte, error) {
	used := 0
	for i := range fields {
		v, given := values[fields[i].name]
		if given {
			used++
		} else if !nullable(fields[i].node) {
			return nil, inField(fields[i].name, errors.New("no value is given, and it may not be null"))
		}
		var err error
		if dst, err = appendValue(dst, fields[i].node, v, depth+1); err != nil {
			return nil, inField(fields[i].name, err)
		}
	}
	if used == len(values) {
		return dst, nil
	}
	for name := range values {
		if !slices.ContainsFunc(fields, func(f field) bool { return f.name == name }) {
			return nil, inField(name, errors.New("the schema has no such field"))
		}
	}
	return dst, nil
}

func nullable(n *node) bool {
	return n.kind == kindNull || slices.ContainsFunc(n.union, nullable)
}

func appendValue(dst []byte, n *node, v any, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	switch n.kind {
	case kindUnion:
		return appendUnion(dst, n, v, depth)
	case kindNull:
		if v == nil {
			return dst, nil
		}
	case kindRecord:
		if m, ok := v.(map[string]any); ok {
			return appendFields(dst, n.fields, m, depth)
		}
	case kindArray:
		return appendArray(dst, n, v, depth)
	case kindMap:
		return appendMap(dst, n, v, depth)
	case kindInt, kindLong:
		i, err := integer(v, n.kind)
		if err != nil {
			return nil, err
		}
		return appendLong(dst, i), nil
	case kindFloat, kindDouble:
		return appendFloat(dst, n.kind, v)
	default:
		if out, err := appendScalar(dst, n, v); out != nil || err != nil {
			return out, err
		}
	}
	return nil, fmt.Errorf("a %T is no %s", v, n.kind)
}

// appendScalar writes booleans, text, symbols and bytes; nothing if v is of
// another type.
func appendScalar(dst []byte, n *node, v any) ([]byte, error) {
	switch v := v.(type) {
	case bool:
		if n.kind == kindBoolean && v {
			return append(dst, 1), nil
		} else if n.kind == kindBoolean {
			return append(dst, 0), nil
		}
	case string:
		switch {
		case n.kind == kindString && !utf8.ValidString(v):
			return nil, errors.New("the text is not UTF-8")
		case n.kind == kindString:
			return appendString(dst, v), nil
		case n.kind == kindEnum:
			i := slices.Index(n.symbols, v)
			if i < 0 {
				return nil, fmt.Errorf("%s is no symbol of %s", quoted(v), n.name)
			}
			return appendLong(dst, int64(i)), nil
		}
	case []byte:
		switch {
		case n.kind == kindBytes:
			return append(appendLong(dst, int64(len(v))), v...), nil
		case n.kind == kindFixed && len(v) == n.size:
			return append(dst, v...), nil
		}
	}
	return nil, nil
}

// appendUnion takes the first branch that fits, or the one that v is tagged
// with.
func appendUnion(dst []byte, n *node, v any, depth int) ([]byte, error) {
	tag, inner := tagOf(v)
	var why error
	for i, b := range n.union {
		if tag != "" && isCalled(b, tag) {
			return appendValue(appendLong(dst, int64(i)), b, inner, depth+1)
		}
	}
	for i, b := range n.union {
		if (b.kind == kindNull) != (v == nil) {
			continue
		}
		out, err := appendValue(appendLong(dst, int64(i)), b, v, depth+1)
		if err == nil {
			return out, nil
		}
		if why == nil || b.kind == kindRecord { // the most telling
			why = err
		}
	}
	switch {
	case why != nil:
		return nil, why
	case v == nil:
		return nil, errors.New("it may not be null")
	}
	return nil, fmt.Errorf("no branch of the union takes a %T", v)
}

// tagOf takes {"name": value} apart.
func tagOf(v any) (tag string, inner any) {
	if m, ok := v.(map[string]any); ok && len(m) == 1 {
		for tag, inner := range m {
			return tag, inner
		}
	}
	return "", nil
}

// isCalled tells whether a tag names n, by its full name or by its last part.
func isCalled(n *node, tag string) bool {
	name := n.typeName()
	return name == tag || name[strings.LastIndexByte(name, '.')+1:] == tag
}

func appendArray(dst []byte, n *node, v any, depth int) ([]byte, error) {
	switch list := v.(type) {
	case []any:
		if len(list) > 0 {
			dst = appendLong(dst, int64(len(list)))
		}
		for _, item := range list {
			var err error
			if dst, err = appendValue(dst, n.items, item, depth+1); err != nil {
				return nil, err
			}
		}
		return append(dst, 0), nil
	case []string:
		if n.items.kind == kindString {
			return appendStrings(dst, list), nil
		}
	}
	return nil, fmt.Errorf("a %T is no array", v)
}

func appendMap(dst []byte, n *node, v any, depth int) ([]byte, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a %T is no map", v)
	}
	if len(m) > 0 {
		dst = appendLong(dst, int64(len(m)))
	}
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys) // the same map, the same bytes
	for _, key := range keys {
		var err error
		if dst, err = appendValue(appendString(dst, key), n.items, m[key], depth+1); err != nil {
			return nil, inField(key, err)
		}
	}
	return append(dst, 0), nil
}

// integer gives v as an int or long, exactly or not at all.
func integer(v any, k kind) (int64, error) {
	var i int64
	switch v := v.(type) {
	case int:
		i = int64(v)
	case int32:
		i = int64(v)
	case int64:
		i = v
	case float64:
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return 0, fmt.Errorf("the number is no %s", k)
		}
		i = int64(v)
	case json.Number:
		var err error
		if i, err = strconv.ParseInt(string(v), 10, 64); err != nil {
			return 0, fmt.Errorf("the number is no %s", k)
		}
	default:
		return 0, fmt.Errorf("a %T is no %s", v, k)
	}
	if k == kindInt && i != int64(int32(i)) {
		return 0, errors.New("the number is too large for an int")
	}
	return i, nil
}

func appendFloat(dst []byte, k kind, v any) ([]byte, error) {
	var f float64
	switch v := v.(type) {
	case float64:
		f = v
	case float32:
		f = float64(v)
	case int:
		f = float64(v)
	case int32:
		f = float64(v)
	case int64:
		f = float64(v)
	case json.Number:
		var err error
		if f, err = v.Float64(); err != nil {
			return nil, fmt.Errorf("the number is no %s", k)
		}
	default:
		return nil, fmt.Errorf("a %T is no %s", v, k)
	}
	if k == kindFloat {
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(f))), nil
	}
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), nil
}

// appendZero writes the least value of n: null where that is allowed, otherwise
// zero, empty, the first symbol.
func appendZero(dst []byte, n *node, depth int) []byte {
	switch {
	case n.kind == kindRecord && depth <= maxDepth:
		for _, f := range n.fields {
			dst = appendZero(dst, f.node, depth+1)
		}
		return dst
	case n.kind == kindUnion:
		i := max(0, slices.IndexFunc(n.union, nullable))
		return appendZero(appendLong(dst, int64(i)), n.union[i], depth+1)
	}
	return append(dst, make([]byte, n.min)...) // of these a value of least size is all zeros
}
