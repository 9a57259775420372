package echo

import (
	"errors"
	"slices"
	"strings"

	"sfbridge/event"
	"sfbridge/schemas"
)

// change is an event that is being judged: its header, and its values as far as
// they are asked for.
type change struct {
	org     string
	typ     event.ChangeType
	header  *event.Header
	codec   *schemas.Codec
	payload []byte
	seen    []seenValue
	changed []string // fields of an update that need a cause
	bare    bool     // an update that shows no field but the org's stamps
	text    map[string]fieldText
}

// fieldText is a value of the event, as text.
type fieldText struct {
	text  string
	null  bool
	known bool // the schema has the field, and its value has a text
}

// seenValue is a value that has been hashed.
type seenValue struct {
	field field
	hash  uint64
	known bool
}

// reset begins with another event.
func (c *change) reset(org string, codec *schemas.Codec, payload []byte, h *event.Header) {
	c.org, c.typ, c.header, c.codec, c.payload = org, h.ChangeType, h, codec, payload
	c.seen = c.seen[:0]
	clear(c.text)
	c.changed, c.bare = c.changed[:0], c.typ == event.Update
	if c.typ != event.Update {
		return
	}
	for _, path := range h.ChangedFields {
		if slices.Contains(stamps[:], path) {
			continue
		}
		c.bare = false
		f := findField(codec.Fields(), path)
		switch {
		case f != nil && strings.HasPrefix(f.Doc, "Formula:"): // follows from other fields
		case f != nil && f.Type == "record" && len(f.Fields) > 0: // the whole of a compound
			for i := range f.Fields {
				c.changed = append(c.changed, path+"."+f.Fields[i].Name)
			}
		default:
			c.changed = append(c.changed, path)
		}
	}
}

func findField(fields []schemas.Field, path string) *schemas.Field {
	name, rest, nested := strings.Cut(path, ".")
	for i := range fields {
		if fields[i].Name != name {
			continue
		}
		if nested {
			return findField(fields[i].Fields, rest)
		}
		return &fields[i]
	}
	return nil
}

// eachChanged calls fn with each field that needs a cause until one has none.
// diff tells that the event carries a difference to the old text.
func (c *change) eachChanged(fn func(path string, diff bool) bool) bool {
	for _, path := range c.changed {
		if !fn(path, slices.Contains(c.header.DiffFields, path)) {
			return false
		}
	}
	return true
}

func (c *change) isChanged(path string) bool { return slices.Contains(c.changed, path) }

// carries tells whether the event can show a field. A digest shows in updates
// only.
func (c *change) carries(f field) bool {
	return f.class != classDigest && findField(c.codec.Fields(), f.path) != nil
}

// hash is the hash of what the event carries for a field; known is false if that
// cannot be told.
func (c *change) hash(f field) (hash uint64, known bool) {
	for i := range c.seen {
		if c.seen[i].field == f {
			return c.seen[i].hash, c.seen[i].known
		}
	}
	v := c.value(f.path)
	switch known = v.known; {
	case !known:
	case v.null:
		hash = nullHash(f.path, f.class)
	case f.class == classDigest:
		var digest [32]byte
		if digest, known = digestOf(v.text); known {
			hash = digestHash(f.path, digest)
		}
	default:
		hash = eventHash(f.path, v.text, f.class)
	}
	c.seen = append(c.seen, seenValue{f, hash, known})
	return hash, known
}

func (c *change) keyHash(path string) uint64 {
	v := c.value(path)
	if !v.known || v.null {
		return 0
	}
	return keyHash(path, v.text)
}

// cleared tells whether an update says that it cleared a field, by itself or with
// the whole of its compound.
func (c *change) cleared(path string) bool {
	whole, _, _ := strings.Cut(path, ".")
	return slices.Contains(c.header.NulledFields, path) || slices.Contains(c.header.NulledFields, whole)
}

// value reads a field of the event. The null of an update counts only if the
// event says that the field was cleared: it may be hidden from the subscriber.
func (c *change) value(path string) fieldText {
	if v, ok := c.text[path]; ok {
		return v
	}
	text, err := c.codec.FieldText(c.payload, path)
	v := fieldText{text: text, known: err == nil}
	if errors.Is(err, schemas.ErrNull) {
		v.null = true
		v.known = c.typ != event.Update || c.cleared(path)
	}
	if c.text == nil {
		c.text = map[string]fieldText{}
	}
	c.text[path] = v
	return v
}
