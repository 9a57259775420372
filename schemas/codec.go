package schemas

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/linkedin/goavro/v2"

	"sfbridge/event"
)

// Codec is a compiled schema: immutable, and safe for concurrent use.
type Codec struct {
	id         event.SchemaID
	name       string // of the root record, without namespace
	normalised string
	matches    bool
	root       *node
	header     []headerField // nil: no change event
	extras     bool          // the header has fields that event.Header lacks
	bitmaps    bitmaps
	fields     []Field
	generic    *goavro.Codec
}

// Compile reads an Avro schema and checks it twice, here and with goavro. The id
// is kept as the codec's name and is not enforced: see FingerprintMatches. An
// error is permanent: the same text will never compile.
func Compile(id event.SchemaID, schemaJSON string) (*Codec, error) {
	c, err := compile(id, schemaJSON)
	if err != nil {
		return nil, fmt.Errorf("compile schema %s: %w", id, err)
	}
	return c, nil
}

func compile(id event.SchemaID, schemaJSON string) (*Codec, error) {
	tree, err := parseTree(schemaJSON)
	if err != nil {
		return nil, err
	}
	c := &Codec{id: id, matches: fingerprint(tree) == id}
	c.root, tree, err = parse(tree)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	writeTree(&text, tree)
	c.normalised = text.String()
	if c.generic, err = goavro.NewCodec(c.normalised); err != nil {
		return nil, err
	}
	c.name = shortName(c.root)
	c.fields = fieldsOf(c.root, 0)
	c.bitmaps.root, c.bitmaps.paths = c.root, countPaths(c.root)
	if isChangeEvent(c.root) {
		if err := c.planHeader(c.root.fields[0].node); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// compileForeign reads the schema of any writer, for decoding alone: goavro, which
// refuses some schemas that others write with, is not asked. Before it come the
// schemas that it refers to.
func compileForeign(texts []string) (*Codec, error) {
	p := newParser()
	c := &Codec{}
	for _, text := range texts {
		tree, err := parseTree(text)
		if err != nil {
			return nil, err
		}
		if c.root, _, err = p.schema(tree, ""); err != nil {
			return nil, err
		}
	}
	if err := p.settle(); err != nil {
		return nil, err
	}
	c.name = shortName(c.root)
	c.bitmaps.root, c.bitmaps.paths = c.root, countPaths(c.root)
	if isChangeEvent(c.root) && c.planHeader(c.root.fields[0].node) != nil {
		c.header = nil // somebody else's header of that name: a record like others
	}
	return c, nil
}

// shortName is a type's name without its namespace.
func shortName(n *node) string {
	name := n.typeName()
	return name[strings.LastIndexByte(name, '.')+1:]
}

// SchemaID is the id given to Compile.
func (c *Codec) SchemaID() event.SchemaID { return c.id }

// Name is the name of the record without its namespace: AccountChangeEvent,
// Shipment__e. For a schema that is no record it is the type's name.
func (c *Codec) Name() string { return c.name }

// IsChangeEvent tells whether the first field is a ChangeEventHeader.
func (c *Codec) IsChangeEvent() bool { return c.header != nil }

// Normalised is the schema to register: Salesforce's own with "default": null
// for unions that start with null, and with legal names. It reads and writes
// the same bytes.
func (c *Codec) Normalised() string { return c.normalised }

// FingerprintMatches tells whether the id is the fingerprint of the schema. If
// not, the id was no fingerprint or the schema is another one: worth a warning.
func (c *Codec) FingerprintMatches() bool { return c.matches }

// Names resolves one of the sets nulledFields, diffFields and changedFields of
// an event with this schema into field names such as Phone and
// BillingAddress.City. Names pass through. A bit outside the schema is an error:
// the set belongs to another schema.
func (c *Codec) Names(set []string) ([]string, error) {
	return c.bitmaps.appendNames(nil, set)
}

// CheckPayload tells whether the whole payload is one datum of the schema, with
// nothing after it. It does not allocate. What it accepts, any Avro reader
// decodes; beyond the format itself it refuses numbers longer than their type,
// array blocks whose byte size is wrong, and counts that the payload cannot
// hold, since readers differ on those. The error is a *PayloadError.
func (c *Codec) CheckPayload(payload []byte) error {
	cur := cursor{b: payload}
	err := cur.walk(c.root, 0)
	if err == nil && cur.left() > 0 {
		err = errTrailing
	}
	if err != nil {
		return c.payloadError(&cur, err)
	}
	return nil
}
