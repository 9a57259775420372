package schemas

import "fmt"

// maxDepth bounds the nesting of values, for schemas that refer to themselves.
const maxDepth = 512

// walk passes over one value of n, checking its structure, without allocating.
// An error from inside a record carries the field's name.
func (c *cursor) walk(n *node, depth int) error {
	switch n.kind {
	case kindNull:
		return nil
	case kindBoolean:
		return c.boolean()
	case kindInt:
		_, err := c.int()
		return err
	case kindLong:
		_, err := c.long()
		return err
	case kindFloat:
		return c.skip(4)
	case kindDouble:
		return c.skip(8)
	case kindBytes, kindString:
		_, _, err := c.span()
		return err
	case kindFixed:
		return c.skip(n.size)
	case kindEnum:
		_, err := c.index(len(n.symbols), errSymbol)
		return err
	}
	if depth > maxDepth {
		return errDepth
	}
	switch n.kind {
	case kindUnion:
		i, err := c.index(len(n.union), errBranch)
		if err != nil {
			return err
		}
		return c.walk(n.union[i], depth+1)
	case kindRecord:
		for i := range n.fields {
			f := &n.fields[i]
			if f.nullFirst && c.i < len(c.b) && c.b[c.i] == 0 { // most fields of an update
				c.i++
				continue
			}
			if err := c.walk(f.node, depth+1); err != nil {
				return inField(f.name, err)
			}
		}
		return nil
	case kindArray:
		return c.walkArray(n, depth)
	}
	return c.walkMap(n, depth)
}

func (c *cursor) boolean() error {
	if c.i >= len(c.b) {
		return errTruncated
	}
	if c.b[c.i] > 1 {
		return errBoolean
	}
	c.i++
	return nil
}

// index reads the number of a symbol or branch, below n: of 32 bits, since some
// readers take it as an int.
func (c *cursor) index(n int, bad error) (int, error) {
	v, err := c.int()
	if err != nil {
		return 0, err
	}
	if v < 0 || int(v) >= n {
		return 0, bad
	}
	return int(v), nil
}

func (c *cursor) walkArray(n *node, depth int) error {
	empty := 0
	for {
		count, end, err := c.block(n.items.min)
		if err != nil || count == 0 && end < 0 {
			return err
		}
		if n.items.min == 0 {
			if empty += count; empty > maxEmptyItems {
				return errCount
			}
		}
		for range count {
			if err := c.walk(n.items, depth+1); err != nil {
				return err
			}
		}
		if end >= 0 && c.i != end {
			return errBlockSize
		}
	}
}

func (c *cursor) walkMap(n *node, depth int) error {
	seen := make(map[string]struct{})
	for {
		count, end, err := c.block(1 + n.items.min)
		if err != nil || count == 0 && end < 0 {
			return err
		}
		for range count {
			from, to, err := c.span()
			if err != nil {
				return err
			}
			key := string(c.b[from:to])
			if _, twice := seen[key]; twice {
				return errDuplicate
			}
			seen[key] = struct{}{}
			if err := c.walk(n.items, depth+1); err != nil {
				return inField(key, err)
			}
		}
		if end >= 0 && c.i != end {
			return errBlockSize
		}
	}
}

// PayloadError says why a payload is not a datum of its schema. The payload is
// as undecodable tomorrow: such an event belongs with the dead letters.
type PayloadError struct {
	Schema string // the record's name, such as AccountChangeEvent
	Field  string // path of the field, or empty for the datum itself
	Offset int    // bytes read before the error
	Err    error  // what is wrong
}

// Error names the schema, the field and the offset, and never a value.
func (e *PayloadError) Error() string {
	where := e.Schema
	if e.Field != "" {
		where += "." + e.Field
	}
	return fmt.Sprintf("payload of %s at byte %d: %v", where, e.Offset, e.Err)
}

// Unwrap gives what is wrong, without the place.
func (e *PayloadError) Unwrap() error { return e.Err }

// fieldError collects the path of a field while an error travels outward.
type fieldError struct {
	path string
	err  error
}

func (e *fieldError) Error() string { return e.path + ": " + e.err.Error() }

func inField(name string, err error) error {
	if fe, ok := err.(*fieldError); ok {
		fe.path = name + "." + fe.path
		return fe
	}
	return &fieldError{path: name, err: err}
}

// payloadError gives err its place.
func (c *Codec) payloadError(cur *cursor, err error) error {
	e := &PayloadError{Schema: c.name, Offset: cur.i, Err: err}
	if fe, ok := err.(*fieldError); ok {
		e.Field, e.Err = fe.path, fe.err
	}
	return e
}
