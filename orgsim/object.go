package orgsim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// ObjectDef describes one object (sObject), or one platform event when Event
// is set. Definitions handed out by an Org are not changed any more.
type ObjectDef struct {
	Name        string      `yaml:"name"`
	Label       string      `yaml:"label"`
	LabelPlural string      `yaml:"label_plural"`
	KeyPrefix   string      `yaml:"key_prefix"` // three characters; filled for custom objects
	Event       bool        `yaml:"event"`      // a platform event: published, never stored as a row
	NotCaptured bool        `yaml:"not_captured"`
	NameFormat  string      `yaml:"name_format"` // custom objects: Name is an autonumber of this format
	Fields      []*FieldDef `yaml:"fields"`

	ModifiedAt time.Time `yaml:"-"` // when the definition last changed

	byName map[string]*FieldDef // lower-case name
}

// Field finds a field by its API name, whatever the case, as the platform
// does; nil when there is none.
func (o *ObjectDef) Field(name string) *FieldDef { return o.byName[strings.ToLower(name)] }

// Custom tells whether the object is custom, by its name.
func (o *ObjectDef) Custom() bool {
	return strings.HasSuffix(o.Name, "__c") || strings.HasSuffix(o.Name, "__e")
}

// Components lists the fields that make up a compound field, in order.
func (o *ObjectDef) Components(compound string) []*FieldDef {
	var out []*FieldDef
	for _, f := range o.Fields {
		if f.Compound == compound {
			out = append(out, f)
		}
	}
	return out
}

// EventName is the API name of the object's change event, or of the platform
// event itself: AccountChangeEvent, Order__ChangeEvent, Shipment__e.
func (o *ObjectDef) EventName() string {
	if o.Event {
		return o.Name
	}
	if base, ok := strings.CutSuffix(o.Name, "__c"); ok {
		return base + "__ChangeEvent"
	}
	return o.Name + "ChangeEvent"
}

// Channel is the Pub/Sub channel of the object alone: /data/AccountChangeEvent
// or /event/Shipment__e.
func (o *ObjectDef) Channel() string {
	if o.Event {
		return "/event/" + o.Name
	}
	return "/data/" + o.EventName()
}

func (o *ObjectDef) clone() *ObjectDef {
	c := *o
	c.Fields = make([]*FieldDef, len(o.Fields))
	c.byName = make(map[string]*FieldDef, len(o.Fields))
	for i, f := range o.Fields {
		c.Fields[i] = f.clone()
		c.byName[strings.ToLower(f.Name)] = c.Fields[i]
	}
	return &c
}

// normalise fills what a definition leaves out and checks it. ordinal numbers
// the custom objects of an org, for key prefixes and field ids.
func (o *ObjectDef) normalise(ordinal int) error {
	if err := checkAPIName(o.Name); err != nil {
		return fmt.Errorf("object %q: %w", o.Name, err)
	}
	if o.Event != strings.HasSuffix(o.Name, "__e") {
		return fmt.Errorf("object %s: names of platform events, and only those, end in __e", o.Name)
	}
	if o.Label == "" {
		o.Label = labelOf(o.Name)
	}
	if o.LabelPlural == "" {
		o.LabelPlural = o.Label + "s"
	}
	if o.KeyPrefix == "" {
		lead := "a"
		if o.Event {
			lead = "e"
		}
		o.KeyPrefix = lead + string(base62Digits[ordinal/62%62]) + string(base62Digits[ordinal%62])
	}
	if _, err := ID18(o.KeyPrefix + "000000000000"); err != nil {
		return fmt.Errorf("object %s: key prefix %q: want three letters and digits", o.Name, o.KeyPrefix)
	}
	o.addSystemFields()
	return o.indexFields(ordinal)
}

// addSystemFields puts in the fields that every object has, where a
// definition leaves them out.
func (o *ObjectDef) addSystemFields() {
	has := func(name string) bool {
		return slices.ContainsFunc(o.Fields, func(f *FieldDef) bool { return strings.EqualFold(f.Name, name) })
	}
	standard := eventSystemFields
	if !o.Event {
		standard = func() []*FieldDef { return objectSystemFields(o.NameFormat) }
	}
	var front []*FieldDef
	for _, f := range standard() {
		optional := f.Name == "OwnerId" || f.Name == "Name" || o.Name == "User" && f.Name == "IsDeleted"
		if !has(f.Name) && (o.Custom() || !optional) {
			front = append(front, f)
		}
	}
	o.Fields = append(front, o.Fields...)
}

func eventSystemFields() []*FieldDef {
	return []*FieldDef{
		{Name: "ReplayId", Type: TypeString, ReadOnly: true, NotInEvents: true},
		{Name: "EventUuid", Type: TypeString, ReadOnly: true, NotInEvents: true},
		{Name: "CreatedDate", Type: TypeDateTime, Required: true, ReadOnly: true, DefaultedOnCreate: true, Role: "CreatedDate"},
		{
			Name: "CreatedById", Type: TypeReference, ReferenceTo: []string{"User"}, RelationshipName: "CreatedBy", Required: true,
			ReadOnly: true, DefaultedOnCreate: true, Role: "CreatedBy",
		},
	}
}

func objectSystemFields(nameFormat string) []*FieldDef {
	name := &FieldDef{Name: "Name", Type: TypeString, Length: 80}
	if nameFormat != "" {
		name = &FieldDef{Name: "Name", Type: TypeAutoNumber, Length: 30, Format: nameFormat, DefaultedOnCreate: true}
	}
	return append([]*FieldDef{
		idField(),
		{
			Name: "OwnerId", Label: "Owner ID", Type: TypeReference, ReferenceTo: []string{"User"}, RelationshipName: "Owner",
			Required: true, DefaultedOnCreate: true,
		},
		isDeletedField(),
		name,
	}, auditFields()...)
}

func idField() *FieldDef {
	return &FieldDef{Name: "Id", Type: TypeID, Required: true, ReadOnly: true, DefaultedOnCreate: true, NotInEvents: true}
}

func isDeletedField() *FieldDef {
	return &FieldDef{Name: "IsDeleted", Label: "Deleted", Type: TypeBoolean, ReadOnly: true, DefaultedOnCreate: true, NotInEvents: true}
}

// auditFields are the stamps that every object has, in platform order.
func auditFields() []*FieldDef {
	stamp := func(name string) *FieldDef {
		return &FieldDef{Name: name, Type: TypeDateTime, Required: true, ReadOnly: true, DefaultedOnCreate: true}
	}
	user := func(name, relation string) *FieldDef {
		return &FieldDef{
			Name: name, Type: TypeReference, ReferenceTo: []string{"User"}, RelationshipName: relation,
			Required: true, ReadOnly: true, DefaultedOnCreate: true,
		}
	}
	created := stamp("CreatedDate")
	created.Role = "CreatedDate"
	modstamp := stamp("SystemModstamp")
	modstamp.NotInEvents = true
	return []*FieldDef{
		created, user("CreatedById", "CreatedBy"), stamp("LastModifiedDate"), user("LastModifiedById", "LastModifiedBy"), modstamp,
	}
}

// addressComponents are the parts of an Address in the order that events use.
var addressComponents = [...]string{"Street", "City", "State", "PostalCode", "Country", "Latitude", "Longitude", "GeocodeAccuracy"}

// expandCompounds adds the component fields of compounds that a definition
// names without their parts, right before the compound as describe shows it.
func (o *ObjectDef) expandCompounds() {
	var out []*FieldDef
	for _, f := range o.Fields {
		if (f.Type == TypeAddress || f.Type == TypeLocation) && len(o.Components(f.Name)) == 0 {
			out = append(out, componentsOf(f)...)
		}
		out = append(out, f)
	}
	o.Fields = out
}

func componentsOf(f *FieldDef) []*FieldDef {
	names := addressComponents[:]
	if f.Type == TypeLocation {
		names = names[5:7]
	}
	var out []*FieldDef
	for _, part := range names {
		c := &FieldDef{Name: strings.TrimSuffix(f.Name, "Address") + part, Type: TypeString, Compound: f.Name, Component: part, Length: 80}
		if base, ok := strings.CutSuffix(f.Name, "__c"); ok {
			c.Name = base + "__" + part + "__s"
		}
		switch part {
		case "Street":
			c.Type, c.Length = TypeTextArea, 255
		case "Latitude", "Longitude":
			c.Type, c.Precision, c.Scale = TypeDouble, 18, 15
		case "GeocodeAccuracy":
			c.Type, c.Length = TypePicklist, 40
		case "PostalCode":
			c.Length = 20
		case "City":
			c.Length = 40
		}
		out = append(out, c)
	}
	return out
}

// indexFields completes each field, checks names and builds the look-up.
func (o *ObjectDef) indexFields(ordinal int) error {
	o.expandCompounds()
	o.byName = make(map[string]*FieldDef, len(o.Fields))
	for i, f := range o.Fields {
		if err := f.normalise(ordinal, i); err != nil {
			return fmt.Errorf("object %s: field %q: %w", o.Name, f.Name, err)
		}
		key := strings.ToLower(f.Name)
		if o.byName[key] != nil {
			return fmt.Errorf("object %s: field %s: defined twice", o.Name, f.Name)
		}
		o.byName[key] = f
	}
	for _, f := range o.Fields {
		if f.Compound != "" && o.Field(f.Compound) == nil {
			return fmt.Errorf("object %s: field %s: compound %s is no field of the object", o.Name, f.Name, f.Compound)
		}
	}
	return nil
}

func (f *FieldDef) normalise(objectOrdinal, index int) error {
	if err := checkAPIName(f.Name); err != nil {
		return err
	}
	if !slices.Contains(fieldTypes, f.Type) {
		return fmt.Errorf("type %q: want one of %v", f.Type, fieldTypes)
	}
	if f.Label == "" {
		f.Label = labelOf(f.Name)
	}
	if f.ID == "" && strings.HasSuffix(f.Name, "__c") {
		f.ID = makeID("00N", "SB", uint64(objectOrdinal)<<16|uint64(index))[:15]
	}
	if f.Length == 0 {
		f.Length = f.Type.defaultLength()
	}
	if f.Type.Kind() == KindDecimal && f.Precision == 0 {
		f.Precision = 18
	}
	if f.Length < 0 || f.Scale < 0 || f.Precision < 0 || f.Precision > 0 && f.Scale > f.Precision {
		return fmt.Errorf("length %d, precision %d, scale %d: they do not go together", f.Length, f.Precision, f.Scale)
	}
	if _, err := ID18(f.ID); f.ID != "" && err != nil {
		return fmt.Errorf("id: %w", err)
	}
	if f.Type == TypeReference && len(f.ReferenceTo) == 0 {
		return fmt.Errorf("a reference needs reference_to")
	}
	if f.Default != "" {
		if _, err := f.FromText(f.Default); err != nil {
			return fmt.Errorf("default: %w", err)
		}
	}
	return nil
}

func (t FieldType) defaultLength() int {
	switch t {
	case TypeLongTextArea, TypeRichTextArea:
		return 32768
	case TypeMultiPicklist:
		return 4099
	case TypeEmail:
		return 80
	case TypePhone:
		return 40
	case TypeID, TypeReference:
		return 18
	case TypeAutoNumber:
		return 30
	}
	if t.Kind() == KindString {
		return 255
	}
	return 0
}

// checkAPIName accepts letters, digits and underscores, beginning with a
// letter.
func checkAPIName(name string) error {
	ok := name != "" && len(name) <= 80
	for i, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			ok = false
		}
	}
	if !ok {
		return fmt.Errorf("name %.90q: want letters, digits and underscores, beginning with a letter", name)
	}
	return nil
}

// labelOf makes a label from an API name: Ship_To__c is Ship To.
func labelOf(name string) string {
	for _, suffix := range []string{"__c", "__e", "__s", "__pc"} {
		name = strings.TrimSuffix(name, suffix)
	}
	return strings.TrimSpace(strings.ReplaceAll(name, "_", " "))
}
