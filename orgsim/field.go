package orgsim

import (
	"slices"
	"strings"
)

// FieldType is the type of a field, in Salesforce's words. It is a little
// finer than what describe shows, since long text, rich text and the compound
// names matter to events.
type FieldType string

// The field types.
const (
	TypeID               FieldType = "id"
	TypeString           FieldType = "string"
	TypeTextArea         FieldType = "textarea"     // up to 255 characters
	TypeLongTextArea     FieldType = "longtextarea" // describe: textarea with extraTypeInfo plaintextarea
	TypeRichTextArea     FieldType = "richtextarea" // describe: textarea with extraTypeInfo richtextarea
	TypePicklist         FieldType = "picklist"
	TypeMultiPicklist    FieldType = "multipicklist" // values joined with ;
	TypeCombobox         FieldType = "combobox"
	TypeBoolean          FieldType = "boolean"
	TypeInt              FieldType = "int"
	TypeLong             FieldType = "long"
	TypeDouble           FieldType = "double"
	TypeCurrency         FieldType = "currency"
	TypePercent          FieldType = "percent"
	TypeDate             FieldType = "date"
	TypeDateTime         FieldType = "datetime"
	TypeTime             FieldType = "time"
	TypeReference        FieldType = "reference"
	TypeEmail            FieldType = "email"
	TypePhone            FieldType = "phone"
	TypeURL              FieldType = "url"
	TypeAutoNumber       FieldType = "autonumber"           // describe: string with autoNumber
	TypeAddress          FieldType = "address"              // compound
	TypeLocation         FieldType = "location"             // compound
	TypePersonName       FieldType = "personname"           // compound; REST shows the joined name
	TypeSwitchablePerson FieldType = "switchablepersonname" // Account.Name: text, or a compound for person accounts
)

// PicklistValue is one choice of a picklist.
type PicklistValue struct {
	Value    string `yaml:"value"`
	Label    string `yaml:"label"`
	Inactive bool   `yaml:"inactive"`
	Default  bool   `yaml:"default"`
}

// FieldDef describes one field. Describe results, Avro schemas and JSON
// values all derive from it.
type FieldDef struct {
	Name  string    `yaml:"name"`
	Label string    `yaml:"label"`
	Type  FieldType `yaml:"type"`
	// ID is the field's own id, 00N and 12 more characters; custom fields have
	// one, and their Avro doc names it. Filled when empty.
	ID string `yaml:"id"`

	Length    int `yaml:"length"`    // characters; 0 = the default of the type
	Precision int `yaml:"precision"` // all digits of a number; 0 = 18
	Scale     int `yaml:"scale"`     // digits after the point

	Required      bool `yaml:"required"`       // not nillable; a value is due on create unless DefaultedOnCreate
	Unique        bool `yaml:"unique"`         //
	ExternalID    bool `yaml:"external_id"`    //
	CaseSensitive bool `yaml:"case_sensitive"` // unique values and external ids differ by case
	ReadOnly      bool `yaml:"read_only"`      // neither createable nor updateable
	CreateOnly    bool `yaml:"create_only"`    // createable, not updateable
	// DefaultedOnCreate: the org fills the field in when the row leaves it out.
	DefaultedOnCreate bool `yaml:"defaulted_on_create"`
	// Default is the text of the value for rows that leave the field out.
	Default string `yaml:"default"`

	Calculated bool   `yaml:"calculated"` // formula or roll-up; read only
	Formula    string `yaml:"formula"`    // the formula's text for describe; not evaluated
	// Format makes the values of an autonumber: ORD-{000000}.
	Format string `yaml:"format"`

	ReferenceTo      []string        `yaml:"reference_to"`
	RelationshipName string          `yaml:"relationship_name"`
	CascadeDelete    bool            `yaml:"cascade_delete"`    // deleting the parent deletes this row
	RestrictedDelete bool            `yaml:"restricted_delete"` // the parent cannot be deleted while this row refers to it
	Picklist         []PicklistValue `yaml:"picklist"`
	Restricted       bool            `yaml:"restricted"` // only listed values are accepted

	// Compound names the compound field that this field is a part of, and
	// Component its name in there: BillingStreet is BillingAddress.Street.
	Compound  string `yaml:"compound"`
	Component string `yaml:"component"`

	// NotInEvents keeps a field out of change event schemas: Id, IsDeleted,
	// SystemModstamp and derived fields.
	NotInEvents bool `yaml:"not_in_events"`
	// Role overrides the first part of the Avro doc, for standard fields that
	// depart from the rule.
	Role string `yaml:"-"`
}

// Kind tells how values of the type are stored; compounds are not stored and
// say KindNull.
func (t FieldType) Kind() Kind {
	switch t {
	case TypeBoolean:
		return KindBool
	case TypeInt, TypeLong:
		return KindInt
	case TypeDouble, TypeCurrency, TypePercent:
		return KindDecimal
	case TypeDate:
		return KindDate
	case TypeDateTime:
		return KindDateTime
	case TypeTime:
		return KindTime
	case TypeAddress, TypeLocation, TypePersonName:
		return KindNull
	}
	return KindString
}

// IsCompound tells whether the field is made of other fields.
func (t FieldType) IsCompound() bool {
	return t == TypeAddress || t == TypeLocation || t == TypePersonName
}

// IsText tells whether the type holds free text.
func (t FieldType) IsText() bool {
	switch t {
	case TypeString, TypeTextArea, TypeLongTextArea, TypeRichTextArea, TypeEmail, TypePhone, TypeURL,
		TypeCombobox, TypeSwitchablePerson:
		return true
	}
	return false
}

// IsLongText tells whether changes may be delivered as diffs.
func (t FieldType) IsLongText() bool { return t == TypeLongTextArea || t == TypeRichTextArea }

var fieldTypes = []FieldType{
	TypeID, TypeString, TypeTextArea, TypeLongTextArea, TypeRichTextArea, TypePicklist, TypeMultiPicklist, TypeCombobox,
	TypeBoolean, TypeInt, TypeLong, TypeDouble, TypeCurrency, TypePercent, TypeDate, TypeDateTime, TypeTime, TypeReference,
	TypeEmail, TypePhone, TypeURL, TypeAutoNumber, TypeAddress, TypeLocation, TypePersonName, TypeSwitchablePerson,
}

// DescribeType is the type as describe shows it.
func (f *FieldDef) DescribeType() string {
	switch f.Type {
	case TypeLongTextArea, TypeRichTextArea:
		return "textarea"
	case TypePersonName, TypeSwitchablePerson, TypeAutoNumber:
		return "string"
	}
	return string(f.Type)
}

// ExtraTypeInfo is describe's extraTypeInfo, often empty.
func (f *FieldDef) ExtraTypeInfo() string {
	switch f.Type {
	case TypeLongTextArea, TypeTextArea:
		return "plaintextarea"
	case TypeRichTextArea:
		return "richtextarea"
	case TypePersonName:
		return "personname"
	case TypeSwitchablePerson:
		return "switchablepersonname"
	}
	return ""
}

// SOAPType is describe's soapType.
func (f *FieldDef) SOAPType() string {
	switch f.Type {
	case TypeID, TypeReference:
		return "tns:ID"
	case TypeBoolean:
		return "xsd:boolean"
	case TypeInt:
		return "xsd:int"
	case TypeLong:
		return "xsd:long"
	case TypeDouble, TypeCurrency, TypePercent:
		return "xsd:double"
	case TypeDate:
		return "xsd:date"
	case TypeDateTime:
		return "xsd:dateTime"
	case TypeTime:
		return "xsd:time"
	case TypeAddress:
		return "urn:address"
	case TypeLocation:
		return "urn:location"
	}
	return "xsd:string"
}

// Custom tells whether the field is a custom field, by its name.
func (f *FieldDef) Custom() bool {
	return strings.HasSuffix(f.Name, "__c") || strings.HasSuffix(f.Name, "__s") || strings.HasSuffix(f.Name, "__pc")
}

// Nillable tells whether null is a legal value.
func (f *FieldDef) Nillable() bool {
	return !f.Required && f.Type != TypeBoolean && f.Type != TypeID && f.Type != TypeAutoNumber
}

// Createable tells whether an insert may give the field.
func (f *FieldDef) Createable() bool {
	return !f.ReadOnly && !f.Calculated && !f.Type.IsCompound() && f.Type != TypeAutoNumber && f.Type != TypeID
}

// Updateable tells whether an update may give the field.
func (f *FieldDef) Updateable() bool { return f.Createable() && !f.CreateOnly }

// IDLookup tells whether upserts may match on the field.
func (f *FieldDef) IDLookup() bool { return f.Type == TypeID || f.ExternalID || f.Unique }

// RelationshipPath is the name that queries use to walk to the parent:
// Account for AccountId, Account__r for Account__c.
func (f *FieldDef) RelationshipPath() string {
	switch {
	case f.Type != TypeReference:
		return ""
	case f.RelationshipName != "":
		return f.RelationshipName
	case strings.HasSuffix(f.Name, "__c"):
		return strings.TrimSuffix(f.Name, "__c") + "__r"
	}
	return strings.TrimSuffix(f.Name, "Id")
}

func (f *FieldDef) clone() *FieldDef {
	c := *f
	c.ReferenceTo = slices.Clone(f.ReferenceTo)
	c.Picklist = slices.Clone(f.Picklist)
	return &c
}
