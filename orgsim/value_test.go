package orgsim_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"sfbridge/orgsim"
)

func TestValue_TextForms_AsTheAPIsShowThem(t *testing.T) {
	for _, c := range []struct {
		typ            orgsim.FieldType
		in, text, json string
	}{
		{orgsim.TypeDate, "2024-02-29", "2024-02-29", `"2024-02-29"`},
		{orgsim.TypeDate, "1583-10-15", "1583-10-15", `"1583-10-15"`},
		{orgsim.TypeDate, "1969-12-31", "1969-12-31", `"1969-12-31"`},
		{orgsim.TypeDateTime, "2024-10-27T01:30:00.000+0000", "2024-10-27T01:30:00.000+0000", `"2024-10-27T01:30:00.000+0000"`},
		{orgsim.TypeDateTime, "2024-10-27T01:30:00+02:00", "2024-10-26T23:30:00.000+0000", `"2024-10-26T23:30:00.000+0000"`},
		{orgsim.TypeDateTime, "2024-10-27T01:30:00Z", "2024-10-27T01:30:00.000+0000", `"2024-10-27T01:30:00.000+0000"`},
		{orgsim.TypeTime, "23:59:59.999Z", "23:59:59.999Z", `"23:59:59.999Z"`},
		{orgsim.TypeTime, "08:05", "08:05:00.000Z", `"08:05:00.000Z"`},
		{orgsim.TypeCurrency, "999999999999999.99", "999999999999999.99", `999999999999999.99`},
		{orgsim.TypeDouble, "5", "5", `5.0`},
		{orgsim.TypePercent, "-1e-2", "-0.01", `-0.01`},
		{orgsim.TypeInt, "42", "42", `42`},
		{orgsim.TypeBoolean, "TRUE", "true", `true`},
		{orgsim.TypeBoolean, "0", "false", `false`},
		{orgsim.TypeString, "Zoë \"東京\"", "Zoë \"東京\"", `"Zoë \"東京\""`},
		{orgsim.TypeString, "", "", `null`},
	} {
		f := &orgsim.FieldDef{Name: "F__c", Type: c.typ}
		v, err := f.FromText(c.in)
		if err != nil || v.String() != c.text || string(f.AppendJSON(nil, v)) != c.json {
			t.Errorf("%s %q: %#v, %s, %v; want %q and %s", c.typ, c.in, v, f.AppendJSON(nil, v), err, c.text, c.json)
		}
	}
	for typ, bad := range map[orgsim.FieldType]any{
		orgsim.TypeDate: "2026-02-30", orgsim.TypeDateTime: "yesterday", orgsim.TypeTime: "25:00:00Z", orgsim.TypeInt: json.Number("1.5"),
		orgsim.TypeBoolean: "yes", orgsim.TypeDouble: "1,5", orgsim.TypeString: []any{}, orgsim.TypeAddress: "x", orgsim.TypeCurrency: true,
	} {
		f := &orgsim.FieldDef{Name: "F__c", Type: typ}
		if v, err := f.FromJSON(bad); err == nil {
			t.Errorf("%s accepts %v as %#v", typ, bad, v)
		}
	}
}

// FuzzValue_JSON wants every value that is read to come back the same from
// the JSON that is shown for it.
func FuzzValue_JSON(f *testing.F) {
	for _, s := range []string{"2024-02-29", "2024-10-27T01:30:00.000+0000", "23:59:59.999Z", "12.50", "true", "text", "1e5", "\"ϖ\xcf\""} {
		f.Add(s, uint8(3))
	}
	types := []orgsim.FieldType{orgsim.TypeString, orgsim.TypeDate, orgsim.TypeDateTime, orgsim.TypeTime, orgsim.TypeDouble, orgsim.TypeInt, orgsim.TypeBoolean}
	f.Fuzz(func(t *testing.T, text string, pick uint8) {
		field := &orgsim.FieldDef{Name: "F__c", Type: types[int(pick)%len(types)]}
		v, err := field.FromText(text)
		if err != nil {
			return
		}
		shown := field.AppendJSON(nil, v)
		dec := json.NewDecoder(bytes.NewReader(shown))
		dec.UseNumber()
		var back any
		if err := dec.Decode(&back); err != nil {
			t.Fatalf("%s is no JSON: %v", shown, err)
		}
		again, err := field.FromJSON(back)
		if err != nil || again != v {
			t.Errorf("%s %q: %#v shows as %s and reads as %#v, %v", field.Type, text, v, shown, again, err)
		}
	})
}

func TestFieldDef_Describe_Words(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	for _, c := range []struct{ object, field, typ, extra, soap, path string }{
		{"Account", "Id", "id", "", "tns:ID", ""},
		{"Account", "Name", "string", "switchablepersonname", "xsd:string", ""},
		{"Contact", "Name", "string", "personname", "xsd:string", ""},
		{"Contact", "AccountId", "reference", "", "tns:ID", "Account"},
		{"Account", "ParentId", "reference", "", "tns:ID", "Parent"},
		{"Order__c", "Account__c", "reference", "", "tns:ID", "Account__r"},
		{"Order__c", "Notes__c", "textarea", "plaintextarea", "xsd:string", ""},
		{"Order__c", "Terms__c", "textarea", "richtextarea", "xsd:string", ""},
		{"Order__c", "Name", "string", "", "xsd:string", ""},
		{"Order__c", "Ship_To__c", "address", "", "urn:address", ""},
		{"Order__c", "Depot__c", "location", "", "urn:location", ""},
		{"Order__c", "Total__c", "currency", "", "xsd:double", ""},
		{"Order__c", "Paid__c", "boolean", "", "xsd:boolean", ""},
		{"Order__c", "Due__c", "date", "", "xsd:date", ""},
		{"Order__c", "Shipped_At__c", "datetime", "", "xsd:dateTime", ""},
		{"Order__c", "Pickup_Time__c", "time", "", "xsd:time", ""},
		{"Account", "NumberOfEmployees", "int", "", "xsd:int", ""},
	} {
		f := org.Object(c.object).Field(c.field)
		if f == nil || f.DescribeType() != c.typ || f.ExtraTypeInfo() != c.extra || f.SOAPType() != c.soap || f.RelationshipPath() != c.path {
			t.Errorf("%s.%s: %+v, want %+v", c.object, c.field, f, c)
		}
	}
}
