package rows_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"sfbridge/internal/flow"
	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

func TestEveryField_GoesToTheFieldOfItsName(t *testing.T) {
	m := mapper(t, rows.Config{ExternalID: "ERP_Id__c"}, object())
	for name, c := range map[string]struct {
		in     string
		want   salesforce.Record
		parent string
	}{
		"fields": {`{"ERP_Id__c":"E-1","Name":"Acme","Paid__c":null,"Total__c":1.50}`, salesforce.Record{"ERP_Id__c": "E-1", "Name": "Acme", "Paid__c": nil, "Total__c": n("1.50")}, ""},
		"what an org stamps, and beside the fields": {
			`{"ERP_Id__c":"E-1","attributes":{"type":"Order__c"},"ChangeEventHeader":{},"Id":"` + id15 + `","CreatedDate":"2024-01-01","SystemModstamp":null,"LastModifiedById":"x"}`,
			salesforce.Record{"ERP_Id__c": "E-1"},
			"",
		},
		"a parent": {`{"ERP_Id__c":"E-1","Account__r":{"ERP_Id__c":"A-1"}}`, salesforce.Record{"ERP_Id__c": "E-1", "Account__r": salesforce.Record{"ERP_Id__c": "A-1"}}, "A-1"},
		"a parent as REST gives it": {
			`{"ERP_Id__c":"E-1","Account__r":{"attributes":{"type":"Account","url":"/x"},"ERP_Id__c":"A-1"}}`,
			salesforce.Record{"ERP_Id__c": "E-1", "Account__r": salesforce.Record{"ERP_Id__c": "A-1"}},
			"A-1",
		},
		"a parent of one of several kinds": {
			`{"ERP_Id__c":"E-1","Who":{"attributes":{"type":"Lead"},"Email":"a@example.com"}}`,
			salesforce.Record{"ERP_Id__c": "E-1", "Who": salesforce.Record{"Email": "a@example.com", "attributes": salesforce.Record{"type": "Lead"}}},
			"a@example.com",
		},
		"no parent":               {`{"ERP_Id__c":"E-1","Account__r":null}`, salesforce.Record{"ERP_Id__c": "E-1", "Account__c": nil}, ""},
		"a parent without a key":  {`{"ERP_Id__c":"E-1","Account__r":{"ERP_Id__c":null}}`, salesforce.Record{"ERP_Id__c": "E-1", "Account__c": nil}, ""},
		"a reference":             {`{"ERP_Id__c":"E-1","Account__c":"` + id15 + `","Account__r":null}`, salesforce.Record{"ERP_Id__c": "E-1", "Account__c": id18}, id18},
		"an address":              {`{"ERP_Id__c":"E-1","BillingAddress":{"City":"Ulm","PostalCode":null}}`, salesforce.Record{"ERP_Id__c": "E-1", "BillingCity": "Ulm", "BillingPostalCode": nil}, ""},
		"an address as REST does": {`{"ERP_Id__c":"E-1","BillingAddress":{"city":"Ulm"}}`, salesforce.Record{"ERP_Id__c": "E-1", "BillingCity": "Ulm"}, ""},
		"a custom address":        {`{"ERP_Id__c":"E-1","Ship_To__c":{"Street":"1","City":"Ulm"}}`, salesforce.Record{"ERP_Id__c": "E-1", "Ship_To__Street__s": "1", "Ship_To__City__s": "Ulm"}, ""},
		"no address":              {`{"ERP_Id__c":"E-1","BillingAddress":null}`, salesforce.Record{"ERP_Id__c": "E-1", "BillingCity": nil, "BillingPostalCode": nil}, ""},
		"a list":                  {`{"ERP_Id__c":"E-1","Tags__c":["a","b"]}`, salesforce.Record{"ERP_Id__c": "E-1", "Tags__c": "a;b"}, ""},
	} {
		r := row(t, m, input(t, c.in))
		if got := m.Record(r); !equal(got, c.want) || r.Parent != c.parent {
			t.Errorf("%s: %v, parent %q; want %v, %q", name, got, r.Parent, c.want, c.parent)
		}
	}
	for in, names := range map[string]string{
		`{"ERP_Id__c":"E-1","name":"x"}`:                                     "[name]",
		`{"ERP_Id__c":"E-1","zzz":"x","Sum__c":1,"aaa":null}`:                "[Sum__c aaa zzz]",
		`{"ERP_Id__c":"E-1","BillingAddress":{"Planet":"Earth"}}`:            "[BillingAddress.Planet]",
		`{"ERP_Id__c":"E-1","BillingAddress":"Ulm"}`:                         "[BillingAddress]",
		`{"ERP_Id__c":"E-1","LastModifiedBy":{"Email":"a"},"Number__c":"7"}`: "[LastModifiedBy Number__c]",
	} {
		_, err := m.Row(input(t, in))
		why, ok := err.(*rows.Rejection)
		if !ok || why.Reason != flow.UnknownField || fmt.Sprint(why.Fields) != names || !strings.Contains(why.Error(), "unmapped: ignore") {
			t.Errorf("%s: %v, want unknown fields %s", in, err, names)
		}
		lenient := mapper(t, rows.Config{ExternalID: "ERP_Id__c", IgnoreUnmapped: true}, object())
		same(t, lenient.Record(row(t, lenient, input(t, in))), salesforce.Record{"ERP_Id__c": "E-1"})
	}
	for in, name := range map[string]string{
		`{"ERP_Id__c":"E-1","Account__r":{}}`:                                              "Account__r",
		`{"ERP_Id__c":"E-1","Account__r":"A-1"}`:                                           "Account__r",
		`{"ERP_Id__c":"E-1","Account__r":{"a":1,"b":2}}`:                                   "Account__r",
		`{"ERP_Id__c":"E-1","Account__r":{"not a name":1}}`:                                "Account__r",
		`{"ERP_Id__c":"E-1","Who":{"Email":"a@example.com"}}`:                              "Who",
		`{"ERP_Id__c":"E-1","Account__c":"` + id15 + `","Account__r":{"ERP_Id__c":"A-1"}}`: "Account__c",
		`{"ERP_Id__c":"E-1","BillingCity":"Ulm","BillingAddress":{"City":"Bonn"}}`:         "BillingCity",
		`{"ERP_Id__c":"E-1","Name":{"First":"a"}}`:                                         "Name",
	} {
		_, err := m.Row(input(t, in))
		rejected(t, err, flow.BadValue, name)
	}
	_, err := m.Row(record("just text"))
	rejected(t, err, flow.NoKey, "ERP_Id__c")
	in := record([]any{"a"})
	in.Key = "E-1"
	_, err = m.Row(in)
	rejected(t, err, flow.BadMapping, "_value")
}

func TestEveryField_ANameOfParts(t *testing.T) {
	o := object()
	o.Fields[4] = field("Name", "string", readOnly, func(f *salesforce.Field) { f.ExtraType = "personname" })
	o.Fields = append(o.Fields, field("FirstName", "string", partOf("Name")), field("LastName", "string", partOf("Name")))
	m := mapper(t, rows.Config{ExternalID: "ERP_Id__c"}, o)
	same(t, m.Record(row(t, m, input(t, `{"ERP_Id__c":"E-1","Name":{"FirstName":"Zoë","LastName":"Q"}}`))),
		salesforce.Record{"ERP_Id__c": "E-1", "FirstName": "Zoë", "LastName": "Q"})
	_, err := m.Row(input(t, `{"ERP_Id__c":"E-1","Name":"Zoë Q"}`))
	if why := rejected(t, err, flow.UnknownField, "Name"); !strings.Contains(why.Error(), "write FirstName or LastName") {
		t.Errorf("reason %q", why)
	}
}

func TestEveryField_RecordsCannotFillTheMemoryWithNames(t *testing.T) {
	m := mapper(t, rows.Config{ExternalID: "ERP_Id__c"}, object())
	refused := 0
	for i := range 1000 {
		_, err := m.Row(input(t, fmt.Sprintf(`{"ERP_Id__c":"E-1","Account__r":{"F%d__c":"A-1"}}`, i)))
		if err != nil {
			rejected(t, err, flow.BadValue, "Account__r")
			refused++
		}
	}
	if refused != 800 {
		t.Errorf("%d of 1000 refused, want 800", refused)
	}
	if _, err := m.Row(input(t, `{"ERP_Id__c":"E-1","Account__r":{"F7__c":"A-1"}}`)); err != nil {
		t.Errorf("a name that is known: %v", err)
	}
}

func TestEveryField_ManyGoroutinesAtOnce(t *testing.T) {
	m := mapper(t, rows.Config{ExternalID: "ERP_Id__c"}, object())
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 100 {
				name, key := fmt.Sprintf("F%d__c", (g+i)%50), fmt.Sprint(g, "-", i)
				r, err := m.Row(record(map[string]any{"ERP_Id__c": key, "Account__r": map[string]any{name: key}}))
				if err != nil {
					t.Error(err)
					return
				}
				same(t, m.Record(r), salesforce.Record{"ERP_Id__c": key, "Account__r": salesforce.Record{name: key}})
			}
		})
	}
	all.Wait()
}

func TestC31_Namespace_OfFieldsKeysAndRelationships(t *testing.T) {
	custom := func(prefix string) *salesforce.Object {
		return &salesforce.Object{
			Name: prefix + "Order__c", Createable: true, Updateable: true, Deletable: true,
			Fields: []salesforce.Field{
				field("Id", "id", readOnly), field("Name", "string"), field("Own__c", "string"),
				field(prefix+"Key__c", "string", external), field(prefix+"Total__c", "double"),
				field(prefix+"Buyer__c", "reference", refers(prefix+"Buyer__r", "Contact")),
				field("ParentId", "reference", refers("Parent", "Account")),
				field(prefix+"Party__c", "reference", refers(prefix+"Party__r", "Contact", prefix+"Vendor__c")),
			},
		}
	}
	mapping := map[string]string{
		"Key__c": "k", "Total__c": "t", "Buyer__r.Ext__c": "b", "Own__c": "o", "Parent.ERP_Id__c": "p", "Vendor__c:Party__r.Code__c": "v",
	}
	in := `{"k":"K","t":1,"b":"B","o":"O","p":"P","v":"V"}`
	for _, prefix := range []string{"acme__", ""} {
		m := mapper(t, rows.Config{ExternalID: "Key__c", Fields: mapping, Namespace: "acme"}, custom(prefix))
		want := salesforce.Record{
			prefix + "Key__c": "K", prefix + "Total__c": n("1"), prefix + "Buyer__r": salesforce.Record{prefix + "Ext__c": "B"}, "Own__c": "O",
			"Parent": salesforce.Record{"acme__ERP_Id__c": "P"},
			prefix + "Party__r": salesforce.Record{
				prefix + "Code__c": "V", "attributes": salesforce.Record{"type": prefix + "Vendor__c"},
			},
		}
		same(t, m.Record(row(t, m, input(t, in))), want)
		if m.KeyField() != prefix+"Key__c" {
			t.Errorf("key field %s", m.KeyField())
		}
	}
	every := mapper(t, rows.Config{ExternalID: "Key__c", Namespace: "acme"}, custom("acme__"))
	for _, in := range []string{
		`{"Key__c":"K","Total__c":1,"Buyer__r":{"Ext__c":"B"},"Own__c":"O","Name":"N"}`,
		`{"acme__Key__c":"K","acme__Total__c":1,"acme__Buyer__r":{"acme__Ext__c":"B"},"Own__c":"O","Name":"N"}`,
	} {
		same(t, every.Record(row(t, every, input(t, in))), salesforce.Record{
			"acme__Key__c": "K", "acme__Total__c": n("1"), "acme__Buyer__r": salesforce.Record{"acme__Ext__c": "B"}, "Own__c": "O", "Name": "N",
		})
	}
	_, err := rows.New(rows.Config{
		Operation: rows.Upsert, ExternalID: "Key__c", Namespace: "acme", Fields: map[string]string{"Total__c": "a", "acme__Total__c": "b"},
	}, custom("acme__"))
	if err == nil || !strings.Contains(err.Error(), "acme__Total__c is named twice") {
		t.Errorf("a field that is named twice: %v", err)
	}
}

func TestC38_MultiCurrency_AnAmountNeedsItsCurrency(t *testing.T) {
	several := func() *salesforce.Object {
		return object(field("Amount__c", "currency"), field("CurrencyIsoCode", "picklist", values(true, "EUR", "JPY", "USD")))
	}
	_, err := rows.New(rows.Config{Operation: rows.Upsert, ExternalID: "ERP_Id__c", Fields: fields("ERP_Id__c", "Amount__c")}, several())
	if err == nil || !strings.Contains(err.Error(), "fields.Amount__c: the org has several currencies: map CurrencyIsoCode") {
		t.Errorf("a mapping without the currency: %v", err)
	}
	for _, m := range []*rows.Mapper{
		mapper(t, rows.Config{ExternalID: "ERP_Id__c", Fields: fields("ERP_Id__c", "Amount__c", "CurrencyIsoCode")}, several()),
		mapper(t, rows.Config{ExternalID: "ERP_Id__c"}, several()),
	} {
		same(t, m.Record(row(t, m, input(t, `{"ERP_Id__c":"E-1","Amount__c":1000,"CurrencyIsoCode":"JPY"}`))),
			salesforce.Record{"ERP_Id__c": "E-1", "Amount__c": n("1000"), "CurrencyIsoCode": "JPY"})
		row(t, m, input(t, `{"ERP_Id__c":"E-1","Amount__c":null}`))
		row(t, m, input(t, `{"ERP_Id__c":"E-1"}`))
		for _, in := range []string{`{"ERP_Id__c":"E-1","Amount__c":10.00}`, `{"ERP_Id__c":"E-1","Amount__c":10.00,"CurrencyIsoCode":null}`} {
			_, err := m.Row(input(t, in))
			rejected(t, err, flow.BadValue, "Amount__c")
		}
		_, err := m.Row(input(t, `{"ERP_Id__c":"E-1","Amount__c":10.00,"CurrencyIsoCode":"XYZ"}`))
		rejected(t, err, flow.BadValue, "CurrencyIsoCode")
	}
	one := mapper(t, rows.Config{ExternalID: "ERP_Id__c", Fields: fields("ERP_Id__c", "Amount__c")}, object(field("Amount__c", "currency")))
	row(t, one, input(t, `{"ERP_Id__c":"E-1","Amount__c":10.00}`))
	fixed := mapper(t, rows.Config{ExternalID: "ERP_Id__c", Fields: map[string]string{"ERP_Id__c": "id", "Amount__c": "a", "CurrencyIsoCode": `"EUR"`}}, several())
	same(t, fixed.Record(row(t, fixed, input(t, `{"id":"E-1","a":10.00}`))), salesforce.Record{"ERP_Id__c": "E-1", "Amount__c": n("10.00"), "CurrencyIsoCode": "EUR"})
}

func people() *salesforce.Object {
	return &salesforce.Object{
		Name: "Account", Createable: true, Updateable: true, Deletable: true,
		Fields: []salesforce.Field{
			field("Id", "id", readOnly), field("ERP_Id__c", "string", external),
			field("Name", "string", func(f *salesforce.Field) { f.ExtraType, f.Nillable = "switchablepersonname", false }),
			field("LastName", "string", partOf("Name")), field("FirstName", "string", partOf("Name")),
			field("Phone", "phone"), field("PersonEmail", "email"), field("Hobby__pc", "string"),
			field("IsPersonAccount", "boolean", readOnly),
			field("RecordTypeId", "reference", refers("RecordType", "RecordType")),
		},
		RecordTypes: []salesforce.RecordType{
			{ID: "012000000000001AAA", Name: "Business Account", DeveloperName: "Business", Available: true},
			{ID: "012000000000002AAA", Name: "Person Account", DeveloperName: "Person", Available: true},
			{ID: "012000000000003AAA", Name: "Secret", DeveloperName: "Secret"},
		},
	}
}

func TestC32_PersonAccounts_AreAShapeOfTheirOwn(t *testing.T) {
	explicit := fields("ERP_Id__c", "Name", "FirstName", "LastName", "Phone", "PersonEmail", "Hobby__pc", "RecordTypeId")
	for _, m := range []*rows.Mapper{
		mapper(t, rows.Config{ExternalID: "ERP_Id__c", Fields: explicit}, people()), mapper(t, rows.Config{ExternalID: "ERP_Id__c"}, people()),
	} {
		for in, c := range map[string]struct {
			shape string
			want  salesforce.Record
		}{
			`{"ERP_Id__c":"1","Name":"Acme","RecordTypeId":"Business","FirstName":null,"LastName":null,"Hobby__pc":null}`: {
				"business", salesforce.Record{"ERP_Id__c": "1", "Name": "Acme", "RecordTypeId": "012000000000001AAA"},
			},
			`{"ERP_Id__c":"2","FirstName":"Ana","LastName":"Q","RecordTypeId":"Person Account","Hobby__pc":"x","Name":null}`: {
				"person", salesforce.Record{"ERP_Id__c": "2", "FirstName": "Ana", "LastName": "Q", "RecordTypeId": "012000000000002AAA", "Hobby__pc": "x"},
			},
			`{"ERP_Id__c":"3","PersonEmail":"ana@example.com"}`: {"person", salesforce.Record{"ERP_Id__c": "3", "PersonEmail": "ana@example.com"}},
			`{"ERP_Id__c":"4","PersonEmail":null}`:              {"person", salesforce.Record{"ERP_Id__c": "4", "PersonEmail": nil}},
			`{"ERP_Id__c":"5","Phone":"1"}`:                     {"", salesforce.Record{"ERP_Id__c": "5", "Phone": "1"}},
			`{"ERP_Id__c":"6","Name":null}`:                     {"business", salesforce.Record{"ERP_Id__c": "6", "Name": nil}},
		} {
			r := row(t, m, input(t, in))
			same(t, m.Record(r), c.want)
			if r.Shape != c.shape || r.Parent != "" {
				t.Errorf("%s: shape %q, parent %q; want %q and none", in, r.Shape, r.Parent, c.shape)
			}
		}
		_, err := m.Row(input(t, `{"ERP_Id__c":"7","Name":"Acme","LastName":"Q"}`))
		if why := rejected(t, err, flow.BadValue, "LastName"); !strings.Contains(why.Error(), "Name to a business") {
			t.Errorf("reason %q", why)
		}
		for _, kind := range []string{"Secret", "Nothing"} {
			_, err := m.Row(input(t, `{"ERP_Id__c":"8","Name":"Acme","RecordTypeId":"`+kind+`"}`))
			rejected(t, err, flow.BadValue, "RecordTypeId")
		}
	}
	every := mapper(t, rows.Config{ExternalID: "ERP_Id__c"}, people())
	r := row(t, every, input(t, `{"ERP_Id__c":"9","Name":{"FirstName":"Ana","LastName":"Q"}}`))
	same(t, every.Record(r), salesforce.Record{"ERP_Id__c": "9", "FirstName": "Ana", "LastName": "Q"})
	if r.Shape != "person" {
		t.Errorf("shape %q", r.Shape)
	}
}
