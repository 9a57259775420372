package orgsim

import (
	"crypto/md5"
	"encoding/base64"
	"slices"
	"strings"

	"sfbridge/event"
)

// eventNamespace is the Avro namespace of every event schema.
const eventNamespace = "com.sforce.eventbus"

// schema is the Avro schema of one kind of event, made from the table of
// fields. The positions of its fields are what bitmaps of change events count.
type schema struct {
	id     event.SchemaID
	json   string
	name   string // AccountChangeEvent, Shipment__e
	fields []schemaField
	byName map[string]int // API name of a top-level field to its position
}

// schemaField is one field of an event's record, or of a record inside it.
type schemaField struct {
	name     string
	def      *FieldDef // nil for the header, and for parts that the object lacks
	avro     string    // string, double, long, int, boolean, or the name of a record
	doc      string
	required bool          // not a union with null: the stamps of platform events
	union    []string      // further branches before avro: Account.Name is null, string or a record
	inner    []schemaField // the parts of a compound
}

// compound tells whether the field is a record of its own.
func (f *schemaField) compound() bool { return f.inner != nil }

// newSchema makes the schema of an object's change event, or of a platform
// event.
func newSchema(def *ObjectDef) *schema {
	s := &schema{name: def.EventName(), byName: map[string]int{}}
	if !def.Event {
		s.fields = append(s.fields, schemaField{name: "ChangeEventHeader", avro: "ChangeEventHeader", doc: "Data:ComplexValueType", required: true})
	}
	address := addressParts(def)
	for _, f := range def.Fields {
		if f.NotInEvents || f.Compound != "" { // parts are inside of their compound
			continue
		}
		s.byName[f.Name] = len(s.fields)
		s.fields = append(s.fields, newSchemaField(def, f, address))
	}
	s.json = string(s.appendJSON(nil, false))
	sum := md5.Sum(s.appendJSON(nil, true))
	s.id = event.SchemaID(base64.RawURLEncoding.EncodeToString(sum[:]))
	return s
}

// addressParts lists the parts of the record Address: one record serves all
// addresses of an object, so it has the parts that any of them has.
func addressParts(def *ObjectDef) []string {
	order := []string{"Street", "City", "State", "PostalCode", "Country", "StateCode", "CountryCode", "Latitude", "Longitude", "GeocodeAccuracy"}
	return slices.DeleteFunc(order, func(part string) bool {
		if slices.Contains(addressComponents[:], part) {
			return false
		}
		return !slices.ContainsFunc(def.Fields, func(f *FieldDef) bool { return f.Component == part })
	})
}

func newSchemaField(def *ObjectDef, f *FieldDef, address []string) schemaField {
	sf := schemaField{name: f.Name, def: f, avro: avroType(f.Type), doc: docOf(def, f)}
	sf.required = def.Event && (f.Name == "CreatedDate" || f.Name == "CreatedById")
	var parts []string
	switch f.Type {
	case TypeAddress:
		parts = address
	case TypeLocation:
		parts = []string{"Latitude", "Longitude"}
	case TypePersonName:
		parts = []string{"Salutation", "FirstName", "LastName"}
		for _, optional := range []string{"MiddleName", "Suffix"} {
			if partOf(def, f.Name, optional) != nil {
				parts = append(parts, optional)
			}
		}
	case TypeSwitchablePerson:
		sf.union, parts = []string{"string"}, []string{"Salutation", "FirstName", "LastName"}
	}
	for _, part := range parts {
		inner := schemaField{name: part, avro: "string", def: partOf(def, f.Name, part)}
		if part == "Latitude" || part == "Longitude" {
			inner.avro = "double"
		}
		sf.inner = append(sf.inner, inner)
	}
	return sf
}

func partOf(def *ObjectDef, compound, component string) *FieldDef {
	for _, f := range def.Fields {
		if f.Compound == compound && f.Component == component {
			return f
		}
	}
	return nil
}

// avroType is the base type of a field in events; dates and times are longs
// without a logical type.
func avroType(t FieldType) string {
	switch t {
	case TypeAddress:
		return "Address"
	case TypeLocation:
		return "Location"
	case TypePersonName:
		return "PersonName"
	case TypeSwitchablePerson:
		return "Switchable_PersonName"
	case TypeInt:
		return "int"
	case TypeLong:
		return "double"
	}
	switch t.Kind() {
	case KindBool:
		return "boolean"
	case KindDecimal:
		return "double"
	case KindDate, KindTime, KindDateTime:
		return "long"
	}
	return "string"
}

// docTypes are the second parts of the doc attribute.
var docTypes = map[FieldType]string{
	TypeString: "Text", TypeTextArea: "Text", TypeAutoNumber: "Text", TypeCombobox: "Text", TypeEmail: "Email", TypeURL: "Url",
	TypePhone: "Phone", TypeLongTextArea: "StringPlusClob", TypeRichTextArea: "HtmlStringPlusClob", TypePicklist: "DynamicEnum",
	TypeMultiPicklist: "MultiEnum", TypeBoolean: "Boolean", TypeInt: "Integer", TypeLong: "Double", TypeDouble: "Double",
	TypeCurrency: "Currency", TypePercent: "Percent", TypeDateTime: "DateTime", TypeDate: "DateOnly", TypeTime: "TimeOnly",
	TypeReference: "EntityId", TypeID: "EntityId", TypeAddress: "Address", TypeLocation: "Location", TypePersonName: "PersonName",
	TypeSwitchablePerson: "Switchable_PersonName",
}

// docOf writes <Role>:<Type> or <Role>:<Type>:<field id>.
func docOf(def *ObjectDef, f *FieldDef) string {
	role := "Data"
	switch {
	case f.Role != "" && (def.Event || f.Role != "CreatedBy"):
		role = f.Role
	case f.Calculated:
		role = "Formula"
	case f.Type == TypeReference:
		role = "ForeignKey"
	}
	doc := role + ":" + docTypes[f.Type]
	if f.ID != "" {
		doc += ":" + f.ID
	}
	return doc
}

// appendJSON writes the schema as JSON, or in Avro's Parsing Canonical Form,
// which drops doc and default and spells names in full.
func (s *schema) appendJSON(dst []byte, canonical bool) []byte {
	w := schemaWriter{dst: dst, canonical: canonical, defined: map[string]bool{}}
	if canonical {
		w.text(`{"name":"`, eventNamespace, ".", s.name, `","type":"record","fields":[`)
	} else {
		w.text(`{"type":"record","name":"`, s.name, `","namespace":"`, eventNamespace, `","fields":[`)
	}
	for i := range s.fields {
		w.comma(i)
		w.field(&s.fields[i])
	}
	w.text("]}")
	return w.dst
}

type schemaWriter struct {
	dst       []byte
	canonical bool
	defined   map[string]bool // named records written in full before
}

func (w *schemaWriter) text(parts ...string) {
	for _, p := range parts {
		w.dst = append(w.dst, p...)
	}
}

func (w *schemaWriter) comma(i int) {
	if i > 0 {
		w.text(",")
	}
}

func (w *schemaWriter) field(f *schemaField) {
	w.text(`{"name":"`, f.name, `","type":`)
	if f.required {
		w.typ(f)
	} else {
		w.text(`["null",`)
		for _, branch := range f.union {
			w.text(`"`, branch, `",`)
		}
		w.typ(f)
		w.text("]")
	}
	if !w.canonical {
		if f.doc != "" {
			w.text(`,"doc":"`, f.doc, `"`)
		}
		if !f.required {
			w.text(`,"default":null`)
		}
	}
	w.text("}")
}

// named begins a named type: {"type":"record","name":"Address", in the order
// of each form.
func (w *schemaWriter) named(kind, name string) {
	if w.canonical {
		w.text(`{"name":"`, eventNamespace, ".", name, `","type":"`, kind, `",`)
		return
	}
	w.text(`{"type":"`, kind, `","name":"`, name, `",`)
}

func (w *schemaWriter) typ(f *schemaField) {
	switch {
	case f.avro == "ChangeEventHeader":
		w.header()
	case !f.compound():
		w.text(`"`, f.avro, `"`)
	case w.defined[f.avro]:
		name := f.avro
		if w.canonical {
			name = eventNamespace + "." + name
		}
		w.text(`"`, name, `"`)
	default:
		w.defined[f.avro] = true
		w.named("record", f.avro)
		w.text(`"fields":[`)
		for i := range f.inner {
			w.comma(i)
			w.field(&f.inner[i])
		}
		w.text("]}")
	}
}

// header writes the record ChangeEventHeader, the same in every schema.
func (w *schemaWriter) header() {
	const array = `{"type":"array","items":"string"}`
	plain := func(name, typ string) { w.text(`{"name":"`, name, `","type":`, typ, `}`) }
	w.named("record", "ChangeEventHeader")
	w.text(`"fields":[`)
	plain("entityName", `"string"`)
	w.text(",")
	plain("recordIds", array)
	w.text(`,{"name":"changeType","type":`)
	w.named("enum", "ChangeType")
	symbols := make([]string, len(event.ChangeTypes))
	for i, t := range event.ChangeTypes {
		symbols[i] = string(t)
	}
	w.text(`"symbols":["`, strings.Join(symbols, `","`), `"]}}`)
	for _, f := range [...][2]string{
		{"changeOrigin", `"string"`},
		{"transactionKey", `"string"`},
		{"sequenceNumber", `"int"`},
		{"commitTimestamp", `"long"`},
		{"commitNumber", `"long"`},
		{"commitUser", `"string"`},
		{"nulledFields", array},
		{"diffFields", array},
		{"changedFields", array},
	} {
		w.text(",")
		plain(f[0], f[1])
	}
	w.text("]}")
}
