package schemas

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"
)

// What a tree cannot hold.
var (
	errNotFinite = errors.New("a number is NaN or infinite")
	errNotUTF8   = errors.New("the text is not UTF-8")
	errTooMany   = errors.New("the datum has more values than its bytes should mean")
)

// tree decodes a datum of c into nil, bool, string, json.Number, []any and
// map[string]any: without the tags of unions, numbers with all their digits,
// what has a logical type as the text that people write. The error is a
// *PayloadError.
func (c *Codec) tree(payload []byte) (any, error) { return c.readTree(payload, false) }

// readTree is tree; a sparse one has no fields that are null, nor records of
// which nothing is left.
func (c *Codec) readTree(payload []byte, sparse bool) (any, error) {
	t := treeReader{cursor: cursor{b: payload}, text: string(payload), left: 4*len(payload) + maxEmptyItems, sparse: sparse}
	v, err := t.value(c.root, 0)
	if err == nil && t.cursor.left() > 0 {
		err = errTrailing
	}
	if err != nil {
		return nil, c.payloadError(&t.cursor, err)
	}
	return v, nil
}

// treeReader makes values of what a cursor reads.
type treeReader struct {
	cursor
	text string // the payload once more: all strings share it
	left int    // values that may come yet, since some take no bytes
	// sparse leaves out what is null.
	sparse bool
}

func (t *treeReader) value(n *node, depth int) (any, error) {
	if t.left--; t.left < 0 {
		return nil, errTooMany
	}
	if depth > maxDepth {
		return nil, errDepth
	}
	switch n.kind {
	case kindUnion:
		inner, err := t.branch(n)
		if err != nil {
			return nil, err
		}
		return t.value(inner, depth+1)
	case kindNull:
		return nil, nil
	case kindBoolean:
		err := t.boolean()
		return err == nil && t.b[t.i-1] == 1, err
	case kindRecord:
		return t.record(n, depth)
	case kindArray:
		return t.array(n, depth)
	case kindMap:
		return t.mapping(n, depth)
	case kindInt, kindLong:
		return t.integer(n)
	case kindFloat, kindDouble:
		return t.number(n)
	}
	return t.bytes(n)
}

func (t *treeReader) record(n *node, depth int) (any, error) {
	if t.sparse {
		return t.sparseRecord(n, depth)
	}
	out := make(map[string]any, len(n.fields))
	for i := range n.fields {
		f := &n.fields[i]
		v, err := t.value(f.node, depth+1)
		if err != nil {
			return nil, inField(f.spelt, err)
		}
		out[f.spelt] = v
	}
	return out, nil
}

func (t *treeReader) sparseRecord(n *node, depth int) (any, error) {
	out := make(map[string]any)
	for i := range n.fields {
		f := &n.fields[i]
		if f.nullFirst && t.i < len(t.b) && t.b[t.i] == 0 { // most fields of an update
			t.i++
			continue
		}
		v, err := t.value(f.node, depth+1)
		if err != nil {
			return nil, inField(f.spelt, err)
		}
		if v != nil {
			out[f.spelt] = v
		}
	}
	if len(out) == 0 && depth > 0 {
		return nil, nil
	}
	return out, nil
}

func (t *treeReader) array(n *node, depth int) (any, error) {
	out := []any{}
	for {
		count, end, err := t.block(n.items.min)
		if err != nil || count == 0 && end < 0 {
			return out, err
		}
		for range count {
			v, err := t.value(n.items, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		if end >= 0 && t.i != end {
			return nil, errBlockSize
		}
	}
}

func (t *treeReader) mapping(n *node, depth int) (any, error) {
	out := make(map[string]any)
	for {
		count, end, err := t.block(1 + n.items.min)
		if err != nil || count == 0 && end < 0 {
			return out, err
		}
		for range count {
			key, err := t.string()
			if err != nil {
				return nil, err
			}
			if _, twice := out[key]; twice {
				return nil, errDuplicate
			}
			if out[key], err = t.value(n.items, depth+1); err != nil {
				return nil, inField(key, err)
			}
		}
		if end >= 0 && t.i != end {
			return nil, errBlockSize
		}
	}
}

func (t *treeReader) string() (string, error) {
	from, to, err := t.span()
	if err == nil && !utf8.Valid(t.b[from:to]) {
		err = errNotUTF8
	}
	return t.text[from:to], err
}

func (t *treeReader) integer(n *node) (any, error) {
	var v int64
	var err error
	if n.kind == kindInt {
		var i int32
		i, err = t.int()
		v = int64(i)
	} else {
		v, err = t.long()
	}
	if err != nil {
		return nil, err
	}
	switch n.logical {
	case logicalNone:
		return json.Number(strconv.FormatInt(v, 10)), nil
	case logicalDate:
		return textOr(dateText(int32(v)))
	case logicalTimeMillis:
		return textOr(timeOfDayText(v * 1000))
	case logicalTimeMicros:
		return textOr(timeOfDayText(v))
	}
	return textOr(timestampText(v, n.logical))
}

func textOr(s string, err error) (any, error) { return s, err }

// number gives the shortest text that means the same float.
func (t *treeReader) number(n *node) (any, error) {
	v, err := t.float(n.kind)
	if err != nil {
		return nil, err
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil, errNotFinite
	}
	format := byte('f')
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return json.Number(strconv.FormatFloat(v, format, -1, floatBits(n.kind))), nil
}

// bytes reads text, symbols, bytes and fixed.
func (t *treeReader) bytes(n *node) (any, error) {
	var from, to int
	var err error
	switch n.kind {
	case kindString:
		return textOr(t.string())
	case kindEnum:
		i, err := t.index(len(n.symbols), errSymbol)
		if err != nil {
			return nil, err
		}
		return n.spelt[i], nil
	case kindFixed:
		from = t.i
		err = t.skip(n.size)
		to = t.i
	default:
		from, to, err = t.span()
	}
	if err != nil {
		return nil, err
	}
	switch n.logical {
	case logicalDecimal:
		d, err := decimalText(t.b[from:to], n.scale)
		return d, err
	case logicalUUID:
		return uuidText(t.b[from:to]), nil
	}
	return base64.StdEncoding.EncodeToString(t.b[from:to]), nil
}
