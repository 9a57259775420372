package schemas

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"
)

// JSON gives a payload as plain JSON for people and tools: fields in schema
// order, without the tags that Avro's own JSON form puts around the values of a
// union. Bytes are base64, numbers that JSON lacks are the texts NaN, Infinity
// and -Infinity, and text that is not UTF-8 is mended. Integers are written
// with all their digits: a reader that takes them as floats loses the last of a
// commit number. The error is a *PayloadError.
func (c *Codec) JSON(payload []byte) ([]byte, error) {
	v := jsonView{cursor: cursor{b: payload}, out: make([]byte, 0, 4*len(payload)+64)}
	err := v.value(c.root, 0)
	if err == nil && v.left() > 0 {
		err = errTrailing
	}
	if err != nil {
		return nil, c.payloadError(&v.cursor, err)
	}
	return v.out, nil
}

// jsonView writes what a cursor reads.
type jsonView struct {
	cursor
	out []byte
}

func (v *jsonView) value(n *node, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	switch n.kind {
	case kindUnion:
		inner, err := v.branch(n)
		if err != nil {
			return err
		}
		return v.value(inner, depth+1)
	case kindNull:
		v.out = append(v.out, "null"...)
		return nil
	case kindRecord:
		return v.record(n, depth)
	case kindArray:
		v.out = append(v.out, '[')
		err := v.items(n, depth, 0, nil)
		v.out = append(v.out, ']')
		return err
	case kindMap:
		v.out = append(v.out, '{')
		err := v.items(n, depth, 1, v.key)
		v.out = append(v.out, '}')
		return err
	}
	return v.scalar(n)
}

func (v *jsonView) record(n *node, depth int) error {
	v.out = append(v.out, '{')
	for i := range n.fields {
		if i > 0 {
			v.out = append(v.out, ',')
		}
		v.out = append(appendJSONString(v.out, n.fields[i].name), ':')
		if err := v.value(n.fields[i].node, depth+1); err != nil {
			return inField(n.fields[i].name, err)
		}
	}
	v.out = append(v.out, '}')
	return nil
}

// items writes the items of an array or map; before, if any, reads and writes
// what stands before each, which takes at least extra bytes.
func (v *jsonView) items(n *node, depth, extra int, before func() error) error {
	sep, total := false, 0
	for {
		count, end, err := v.block(extra + n.items.min)
		if err != nil || count == 0 && end < 0 {
			return err
		}
		if total += count; n.items.min+extra == 0 && total > maxEmptyItems {
			return errCount
		}
		for range count {
			if sep {
				v.out = append(v.out, ',')
			}
			sep = true
			if before != nil {
				if err := before(); err != nil {
					return err
				}
			}
			if err := v.value(n.items, depth+1); err != nil {
				return err
			}
		}
		if end >= 0 && v.i != end {
			return errBlockSize
		}
	}
}

func (v *jsonView) key() error {
	from, to, err := v.span()
	v.out = append(appendJSONString(v.out, string(v.b[from:to])), ':')
	return err
}

func (v *jsonView) scalar(n *node) error {
	switch n.kind {
	case kindInt, kindLong, kindBoolean:
		text, err := v.text(n)
		v.out = append(v.out, text...)
		return err
	case kindFloat, kindDouble:
		f, err := v.float(n.kind)
		v.out = appendJSONFloat(v.out, f, floatBits(n.kind))
		return err
	case kindString, kindEnum:
		text, err := v.text(n)
		v.out = appendJSONString(v.out, text)
		return err
	case kindFixed:
		if n.size > v.left() {
			return errTruncated
		}
		v.base64(v.b[v.i : v.i+n.size])
		return v.skip(n.size)
	}
	from, to, err := v.span()
	v.base64(v.b[from:to])
	return err
}

func (v *jsonView) base64(b []byte) {
	v.out = append(v.out, '"')
	v.out = base64.StdEncoding.AppendEncode(v.out, b)
	v.out = append(v.out, '"')
}

func appendJSONFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

// appendJSONString writes s as a JSON string. The separators U+2028 and U+2029
// are escaped for readers that take JSON as JavaScript.
func appendJSONString(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s { // bytes that are no UTF-8 come as utf8.RuneError
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r < 0x20 || r == 0x7f || r == 0x2028 || r == 0x2029:
			dst = append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
