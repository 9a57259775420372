package orgsim

import (
	"slices"
	"strings"
)

// personFields are the fields of a person that Account and Contact share: the
// name on Account, the name on Contact.
var personFields = [...][2]string{
	{"Salutation", "Salutation"},
	{"FirstName", "FirstName"},
	{"LastName", "LastName"},
	{"Phone", "Phone"},
	{"Fax", "Fax"},
	{"PersonEmail", "Email"},
	{"PersonMobilePhone", "MobilePhone"},
	{"PersonTitle", "Title"},
	{"PersonBirthdate", "Birthdate"},
}

// personCopies are the custom fields of Contact as Account has them: under
// names that end in __pc.
func personCopies(objects []ObjectDef) []*FieldDef {
	var out []*FieldDef
	for i := range objects {
		if objects[i].Name != "Contact" {
			continue
		}
		for _, f := range objects[i].Fields {
			if base, ok := strings.CutSuffix(f.Name, "__c"); ok && f.Type != TypeAutoNumber && !f.Type.IsCompound() {
				c := f.clone()
				c.Name, c.ID, c.Unique, c.ExternalID, c.Required = base+"__pc", "", false, false, false
				out = append(out, c)
			}
		}
	}
	return out
}

// personPairs are all fields that the two sides of a person share.
func personPairs(objects []ObjectDef) [][2]string {
	pairs := slices.Clone(personFields[:])
	for _, f := range personCopies(objects) {
		pairs = append(pairs, [2]string{f.Name, strings.TrimSuffix(f.Name, "__pc") + "__c"})
	}
	return pairs
}

// addPersonFields makes Account and Contact what they are in an org with
// person accounts.
func addPersonFields(def *ObjectDef, objects []ObjectDef) {
	flag := &FieldDef{Name: "IsPersonAccount", Type: TypeBoolean, ReadOnly: true, DefaultedOnCreate: true}
	switch def.Name {
	case "Contact":
		def.Fields = append(def.Fields, flag)
	case "Account":
		at := slices.IndexFunc(def.Fields, func(f *FieldDef) bool { return f.Name == "Name" })
		def.Fields = slices.Insert(def.Fields, at+1,
			&FieldDef{Name: "LastName", Type: TypeString, Length: 80, Compound: "Name", Component: "LastName"},
			&FieldDef{Name: "FirstName", Type: TypeString, Length: 40, Compound: "Name", Component: "FirstName"},
			&FieldDef{Name: "Salutation", Type: TypePicklist, Length: 40, Compound: "Name", Component: "Salutation"})
		def.Fields = append(def.Fields, flag,
			&FieldDef{Name: "PersonContactId", Type: TypeReference, ReferenceTo: []string{"Contact"}, RelationshipName: "PersonContact", ReadOnly: true},
			field("PersonEmail", TypeEmail), field("PersonMobilePhone", TypePhone), text("PersonTitle", 80), field("PersonBirthdate", TypeDate))
		def.Fields = append(def.Fields, personCopies(objects)...)
	}
}

func (tx *Tx) isPerson(t *table, r *Record) bool {
	return tx.org.cfg.PersonAccounts && t.def.Name == "Account" && !r.fields["LastName"].IsNull()
}

// checkShape keeps an account what it is: people are named by their parts,
// businesses by one name.
func (tx *Tx) checkShape(t *table, old *Record, values map[string]Value) error {
	if !tx.org.cfg.PersonAccounts || t.def.Name != "Account" {
		return nil
	}
	person := old.fields["IsPersonAccount"].True()
	for name := range values {
		part := t.def.Field(name).Compound == "Name" || strings.HasSuffix(name, "__pc")
		if part && !person || name == "Name" && person {
			return fieldErr(CodeInvalidFieldForWrite, []string{name}, "Unable to create/update fields: %s. It belongs to the other kind of account.", name)
		}
	}
	if v, given := values["LastName"]; given && v.IsNull() {
		return fieldErr(CodeRequiredFieldMissing, []string{"LastName"}, "Required fields are missing: [LastName]")
	}
	return nil
}

// checkBusiness refuses a person's fields in a new business account.
func (tx *Tx) checkBusiness(t *table, r *Record) error {
	if !tx.org.cfg.PersonAccounts || t.def.Name != "Account" {
		return nil
	}
	for _, name := range sortedKeys(r.fields) {
		if t.def.Field(name).Compound == "Name" || strings.HasSuffix(name, "__pc") && t.def.Field(name).Type != TypeBoolean {
			return fieldErr(CodeInvalidFieldForWrite, []string{name}, "Unable to create/update fields: %s. It belongs to the other kind of account.", name)
		}
	}
	return nil
}

// insertPerson stores a person account and its contact. Every operation on a
// person makes an event of both.
func (tx *Tx) insertPerson(t *table, r *Record) error {
	if !r.fields["Name"].IsNull() {
		return fieldErr(CodeInvalidFieldForWrite, []string{"Name"}, "Unable to create/update fields: Name. A person account is named by its parts.")
	}
	tx.put(t, r.ID, r)
	values := map[string]Value{"AccountId": String(r.ID)}
	for _, pair := range tx.org.people {
		if v := r.fields[pair[0]]; !v.IsNull() {
			values[pair[1]] = v
		}
	}
	contact, err := tx.Insert("Contact", values)
	if err != nil {
		return err
	}
	mark := map[string]Value{"IsPersonAccount": Bool(true)}
	ct := tx.org.tables["Contact"]
	tx.put(ct, contact, ct.rows[contact].with(mark))
	mark["PersonContactId"] = String(contact)
	tx.put(t, r.ID, r.with(mark))
	return nil
}

// updateTwin carries what both sides of a person share to the other side, and
// stamps it, whatever changed.
func (tx *Tx) updateTwin(t *table, r *Record) error {
	if !tx.org.cfg.PersonAccounts || !r.fields["IsPersonAccount"].True() {
		return nil
	}
	from, to, other, object := 0, 1, r.fields["PersonContactId"].text, "Contact"
	if t.def.Name == "Contact" {
		from, to, other, object = 1, 0, r.fields["AccountId"].text, "Account"
	}
	ot := tx.org.tables[object]
	twin := ot.rows[other]
	if twin == nil || twin.Deleted {
		return nil
	}
	values := map[string]Value{}
	for _, pair := range tx.org.people {
		values[pair[to]] = r.fields[pair[from]]
	}
	twin = twin.with(values)
	tx.stamp(ot, twin)
	tx.put(ot, other, twin)
	return nil
}
