package schemas

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrNull says that a field has no value in this payload.
var ErrNull = errors.New("the field is null")

// FieldText gives the value of one field as text, for use as a record's key:
// strings and symbols as they are, numbers in decimal digits, booleans as true
// and false. The path is a field's name, or Parent.Child for a part of a
// compound field. A null is ErrNull; a field that the schema lacks, or whose
// type has no plain text, is an error that names it.
func (c *Codec) FieldText(payload []byte, path string) (string, error) {
	cur := cursor{b: payload}
	n, err := cur.find(c.root, path)
	if err != nil {
		return "", c.payloadError(&cur, err)
	}
	text, err := cur.text(n)
	if err != nil {
		return "", c.payloadError(&cur, inField(path, err))
	}
	return text, nil
}

// find moves to the value at path below n.
func (c *cursor) find(n *node, path string) (*node, error) {
	name, rest, nested := strings.Cut(path, ".")
	for i := range n.fields {
		f := &n.fields[i]
		if f.name != name {
			if err := c.walk(f.node, 1); err != nil {
				return nil, inField(f.name, err)
			}
			continue
		}
		if !nested {
			return f.node, nil
		}
		inner, err := c.branch(f.node)
		if err == nil && inner.kind == kindNull {
			err = ErrNull
		}
		if err != nil {
			return nil, inField(path, err)
		}
		return c.find(inner, rest)
	}
	return nil, inField(path, errors.New("the schema has no such field"))
}

// branch reads the number of a union's branch and gives its type; a type that is
// no union is its own.
func (c *cursor) branch(n *node) (*node, error) {
	if n.kind != kindUnion {
		return n, nil
	}
	i, err := c.index(len(n.union), errBranch)
	if err != nil {
		return nil, err
	}
	return n.union[i], nil
}

func (c *cursor) text(n *node) (string, error) {
	n, err := c.branch(n)
	if err != nil {
		return "", err
	}
	switch n.kind {
	case kindNull:
		return "", ErrNull
	case kindString:
		from, to, err := c.span()
		return string(c.b[from:to]), err
	case kindInt:
		v, err := c.int()
		return strconv.Itoa(int(v)), err
	case kindLong:
		v, err := c.long()
		return strconv.FormatInt(v, 10), err
	case kindEnum:
		i, err := c.index(len(n.symbols), errSymbol)
		if err != nil {
			return "", err
		}
		return n.symbols[i], nil
	case kindBoolean:
		if err := c.boolean(); err != nil {
			return "", err
		}
		return strconv.FormatBool(c.b[c.i-1] == 1), nil
	case kindFloat, kindDouble:
		v, err := c.float(n.kind)
		return strconv.FormatFloat(v, 'f', -1, floatBits(n.kind)), err
	}
	return "", fmt.Errorf("a %s has no plain text", n.kind)
}
