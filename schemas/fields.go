package schemas

// Field tells of one field of a schema's record what a writer of values has to
// know.
type Field struct {
	Name string
	Type string // Avro's name of the type, the first that is not null: string, double, long, record, …
	Doc  string // Salesforce's note on the field, such as Data:DateOnly:00N…
	// Nullable tells whether the field may be null.
	Nullable bool
	// Fields are those of a compound field, also of one that is a string for
	// some records, as Name of accounts is.
	Fields []Field
}

// Fields lists the fields of the record, in order; a change event's first is
// its header. The caller must not change them.
func (c *Codec) Fields() []Field { return c.fields }

func fieldsOf(n *node, depth int) []Field {
	out := make([]Field, 0, len(n.fields))
	for _, f := range n.fields {
		of := Field{Name: f.name, Doc: f.doc, Nullable: nullable(f.node), Type: f.node.kind.String()}
		for _, b := range f.node.union {
			if b.kind != kindNull {
				of.Type = b.kind.String()
				break
			}
		}
		if inner := f.node.record(); inner != nil && depth == 0 { // compound fields have no compound parts
			of.Fields = fieldsOf(inner, depth+1)
		}
		out = append(out, of)
	}
	return out
}
