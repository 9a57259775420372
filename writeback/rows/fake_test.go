package rows_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"sfbridge/internal/expression"
	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

// Fields of a made-up object, as describe shows them.

func field(name, kind string, change ...func(*salesforce.Field)) salesforce.Field {
	f := salesforce.Field{
		Name: name, Label: strings.TrimSuffix(name, "__c"), Type: kind, Custom: strings.HasSuffix(name, "__c") || strings.HasSuffix(name, "__pc"),
		Nillable: true, Createable: true, Updateable: true,
	}
	switch kind {
	case "string", "email", "phone", "url", "textarea", "picklist", "multipicklist":
		f.Length = 255
	case "double", "currency", "percent":
		f.Precision, f.Scale = 18, 2
	}
	for _, c := range change {
		c(&f)
	}
	return f
}

func length(n int) func(*salesforce.Field) { return func(f *salesforce.Field) { f.Length = n } }

func digits(precision, scale int) func(*salesforce.Field) {
	return func(f *salesforce.Field) { f.Precision, f.Scale = precision, scale }
}

func readOnly(f *salesforce.Field) { f.Createable, f.Updateable = false, false }

func createOnly(f *salesforce.Field) { f.Updateable = false }

func external(f *salesforce.Field) { f.ExternalID, f.IDLookup, f.Unique = true, true, true }

func notUnique(f *salesforce.Field) { f.ExternalID, f.IDLookup = true, true }

func caseSensitive(f *salesforce.Field) { f.CaseSensitive = true }

func partOf(compound string) func(*salesforce.Field) {
	return func(f *salesforce.Field) { f.CompoundField = compound }
}

func refers(relationship string, to ...string) func(*salesforce.Field) {
	return func(f *salesforce.Field) {
		f.Relationship, f.ReferenceTo, f.Polymorphic = relationship, to, len(to) > 1
	}
}

// values makes a picklist; one that begins with a minus is not active, and
// label=value has a label.
func values(restricted bool, list ...string) func(*salesforce.Field) {
	return func(f *salesforce.Field) {
		f.Restricted = restricted
		for _, v := range list {
			name, inactive := strings.CutPrefix(v, "-")
			label, value, labelled := strings.Cut(name, "=")
			if !labelled {
				value = label
			}
			f.Picklist = append(f.Picklist, salesforce.Picklist{Value: value, Label: label, Active: !inactive})
		}
	}
}

// object has a field of everything.
func object(more ...salesforce.Field) *salesforce.Object {
	return &salesforce.Object{
		Name: "Order__c", Createable: true, Updateable: true, Deletable: true, Undeletable: true,
		Fields: append([]salesforce.Field{
			field("Id", "id", readOnly),
			field("ERP_Id__c", "string", length(40), external),
			field("Num_Id__c", "double", digits(18, 0), external),
			field("Ref__c", "string", length(64), notUnique, caseSensitive),
			field("Name", "string", length(12)),
			field("Notes__c", "textarea", length(131072)),
			field("Paid__c", "boolean"),
			field("Count__c", "int"),
			field("Big__c", "long"),
			field("Total__c", "double", digits(18, 2)),
			field("Rate__c", "percent", digits(5, 2)),
			field("Due__c", "date"),
			field("At__c", "datetime"),
			field("Pickup__c", "time"),
			field("Stage__c", "picklist", values(true, "Draft", "In Progress", "-Legacy", "Finished=Done")),
			field("Loose__c", "picklist", values(false, "One", "Two")),
			field("Tags__c", "multipicklist", values(true, "a", "b", "c", "-old")),
			field("Words__c", "multipicklist", values(false)),
			field("Mail__c", "email"),
			field("Link__c", "url"),
			field("Blob__c", "base64"),
			field("Account__c", "reference", refers("Account__r", "Account")),
			field("Buyer__c", "reference", refers("Buyer__r", "Contact")),
			field("WhoId", "reference", refers("Who", "Contact", "Lead")),
			field("OwnerId", "reference", refers("Owner", "User")),
			field("Ship_To__c", "address", readOnly),
			field("Ship_To__Street__s", "textarea", partOf("Ship_To__c")),
			field("Ship_To__City__s", "string", length(40), partOf("Ship_To__c")),
			field("BillingAddress", "address", readOnly),
			field("BillingCity", "string", length(40), partOf("BillingAddress")),
			field("BillingPostalCode", "string", length(20), partOf("BillingAddress")),
			field("Sum__c", "currency", readOnly, func(f *salesforce.Field) { f.Calculated = true }),
			field("Number__c", "string", readOnly, func(f *salesforce.Field) { f.AutoNumber = true }),
			field("Once__c", "string", createOnly),
			field("CreatedDate", "datetime", readOnly),
			field("LastModifiedById", "reference", readOnly, refers("LastModifiedBy", "User")),
			field("SystemModstamp", "datetime", readOnly),
		}, more...),
	}
}

// fields is a mapping of names to themselves.
func fields(names ...string) map[string]string {
	m := map[string]string{}
	for _, n := range names {
		m[n] = strings.NewReplacer(".", "_", ":", "_").Replace(n)
	}
	return m
}

func mapper(t testing.TB, cfg rows.Config, o *salesforce.Object) *rows.Mapper {
	t.Helper()
	if cfg.Operation == "" {
		cfg.Operation = rows.Upsert
	}
	m, err := rows.New(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// upserts maps names to themselves and upserts by ERP_Id__c.
func upserts(t testing.TB, names ...string) *rows.Mapper {
	t.Helper()
	return mapper(t, rows.Config{ExternalID: "ERP_Id__c", Fields: fields(append(names, "ERP_Id__c")...)}, object())
}

func tree(t testing.TB, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func input(t testing.TB, text string) *expression.Input {
	t.Helper()
	return &expression.Input{Value: tree(t, text), Timestamp: 1772442907123}
}

// row maps a record that is right.
func row(t testing.TB, m *rows.Mapper, in *expression.Input) *rows.Row {
	t.Helper()
	r, err := m.Row(in)
	if err != nil {
		t.Fatalf("%v: %v", in.Value, err)
	}
	return r
}

// with maps one field of an otherwise right record.
func with(t testing.TB, m *rows.Mapper, name string, v any) (*rows.Row, error) {
	t.Helper()
	return m.Row(&expression.Input{Value: map[string]any{"ERP_Id__c": "E-1", name: v}})
}

// rejected is a record that is wrong, for the reason.
func rejected(t testing.TB, err error, reason string, names ...string) *rows.Rejection {
	t.Helper()
	r, ok := errors.AsType[*rows.Rejection](err)
	if !ok {
		t.Fatalf("error %v, want a rejection", err)
	}
	if r.Reason != reason || fmt.Sprint(r.Fields) != fmt.Sprint(names) {
		t.Errorf("rejected as %s for %v (%v), want %s for %v", r.Reason, r.Fields, r, reason, names)
	}
	return r
}

// same compares a record with what is wanted.
func same(t testing.TB, got salesforce.Record, want salesforce.Record) {
	t.Helper()
	if !equal(got, want) {
		t.Errorf("record %v, want %v", got, want)
	}
}

func equal(a, b salesforce.Record) bool {
	return maps.EqualFunc(a, b, func(x, y any) bool {
		rx, okx := x.(salesforce.Record)
		ry, oky := y.(salesforce.Record)
		if okx && oky {
			return equal(rx, ry)
		}
		return okx == oky && x == y
	})
}

func record(v any) *expression.Input { return &expression.Input{Value: v, Timestamp: 1772442907123} }

// values are a row's values by the names of their columns.
func columnsOf(m *rows.Mapper, r *rows.Row) []string { return m.Columns([]*rows.Row{r}) }
