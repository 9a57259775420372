package rows_test

import (
	"slices"
	"strings"
	"testing"

	"sfbridge/internal/expression"
	"sfbridge/internal/flow"
	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

func TestNew_NamesEveryMistakeAndItsRemedy(t *testing.T) {
	base := func() rows.Config {
		return rows.Config{Operation: rows.Upsert, ExternalID: "ERP_Id__c", Fields: map[string]string{"ERP_Id__c": "id"}}
	}
	for name, c := range map[string]struct {
		change func(*rows.Config, *salesforce.Object)
		want   []string
	}{
		"unknown fields":      {func(c *rows.Config, _ *salesforce.Object) { c.Fields["Stge__c"], c.Fields["Nme"] = "a", "b" }, []string{"fields.Stge__c", "is it Stage__c?", "fields.Nme", "is it Name?"}},
		"a label":             {func(c *rows.Config, _ *salesforce.Object) { c.Fields["Pickup"] = "a" }, []string{`"Pickup" is the label of Pickup__c`}},
		"wrong case":          {func(c *rows.Config, _ *salesforce.Object) { c.Fields["name"] = "a" }, []string{"is it Name?"}},
		"a formula":           {func(c *rows.Config, _ *salesforce.Object) { c.Fields["Sum__c"] = "a" }, []string{"Sum__c is a formula"}},
		"an automatic number": {func(c *rows.Config, _ *salesforce.Object) { c.Fields["Number__c"] = "a" }, []string{"automatic number"}},
		"read-only":           {func(c *rows.Config, _ *salesforce.Object) { c.Fields["CreatedDate"] = "a" }, []string{"CreatedDate is read-only"}},
		"an address":          {func(c *rows.Config, _ *salesforce.Object) { c.Fields["BillingAddress"] = "a" }, []string{"write BillingCity or BillingPostalCode"}},
		"a part of one":       {func(c *rows.Config, _ *salesforce.Object) { c.Fields["BillingAddress.City"] = "a" }, []string{"write BillingCity or BillingPostalCode"}},
		"only for new rows": {func(c *rows.Config, _ *salesforce.Object) {
			c.Operation, c.Fields["Once__c"] = rows.Update, "a"
		}, []string{"Once__c cannot be changed"}},
		"no relationship":    {func(c *rows.Config, _ *salesforce.Object) { c.Fields["Acount__r.ERP_Id__c"] = "a" }, []string{"no relationship Acount__r", "is it Account__r?"}},
		"a field for one":    {func(c *rows.Config, _ *salesforce.Object) { c.Fields["Account__c.ERP_Id__c"] = "a" }, []string{"that of the field Account__c is Account__r"}},
		"several parents":    {func(c *rows.Config, _ *salesforce.Object) { c.Fields["Who.Email"] = "a" }, []string{"say which one, such as Contact:Who.Email"}},
		"another parent":     {func(c *rows.Config, _ *salesforce.Object) { c.Fields["User:Who.Email"] = "a" }, []string{"refers to Contact or Lead, not to User"}},
		"two levels":         {func(c *rows.Config, _ *salesforce.Object) { c.Fields["Account__r.Owner.Email"] = "a" }, []string{`"Owner.Email" is not the name of a field`}},
		"a bad expression":   {func(c *rows.Config, _ *salesforce.Object) { c.Fields["Name"] = "upper(" }, []string{"fields.Name: "}},
		"Id and another key": {func(c *rows.Config, _ *salesforce.Object) { c.Fields["Id"] = "a" }, []string{"fields.Id: rows are told apart by ERP_Id__c"}},
		"no such key":        {func(c *rows.Config, _ *salesforce.Object) { c.ExternalID = "ERP_ID__c" }, []string{"external_id: ", "is it ERP_Id__c?"}},
		"no key":             {func(c *rows.Config, _ *salesforce.Object) { c.ExternalID = "Name" }, []string{"external_id: Name is not an external id"}},
		"no operation":       {func(c *rows.Config, _ *salesforce.Object) { c.Operation = "" }, []string{"operation: say what is done"}},
		"another operation":  {func(c *rows.Config, _ *salesforce.Object) { c.Operation = "merge" }, []string{`operation: "merge" is not an operation`}},
		"a bad translation": {func(c *rows.Config, _ *salesforce.Object) {
			c.OperationFrom, c.Operations = "op", map[string]rows.Operation{"x": "gone"}
		}, []string{`operations.x: "gone"`}},
		"bad expressions": {func(c *rows.Config, _ *salesforce.Object) { c.OperationFrom, c.Version = "op(", "v(" }, []string{"operation_from: ", "version: "}},
		"tombstones":      {func(c *rows.Config, _ *salesforce.Object) { c.OnTombstone = "bury" }, []string{"on_tombstone: "}},
		"not createable": {func(_ *rows.Config, o *salesforce.Object) { o.Createable = false }, []string{
			"object: the integration user may not both create and change Order__c",
		}},
		"not deletable":     {func(c *rows.Config, o *salesforce.Object) { c.Operation, o.Deletable = rows.Delete, false }, []string{"permission Delete"}},
		"not undeletable":   {func(c *rows.Config, o *salesforce.Object) { c.Operation, o.Undeletable = rows.Undelete, false }, []string{"cannot be restored"}},
		"nothing to write":  {func(c *rows.Config, o *salesforce.Object) { c.Fields, o.Fields = nil, o.Fields[:2] }, []string{"no field that the integration user may write"}},
		"several at a time": {func(c *rows.Config, _ *salesforce.Object) { c.Operation, c.OnTombstone = "x", "y" }, []string{"operation: ", "; on_tombstone: "}},
	} {
		cfg, o := base(), object()
		c.change(&cfg, o)
		_, err := rows.New(cfg, o)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		for _, part := range c.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v; want %q in it", name, err, part)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error has several lines: %v", name, err)
		}
	}
}

func TestWarnings_TellWhatIsRightForSomeRecordsOnly(t *testing.T) {
	o := object(field("Must__c", "string", func(f *salesforce.Field) { f.Nillable = false }))
	m := mapper(t, rows.Config{ExternalID: "Ref__c", Fields: fields("Ref__c", "Once__c", "Name")}, o)
	got := strings.Join(m.Warnings(), "\n")
	for _, part := range []string{"Once__c cannot be changed", "Ref__c is not unique", "Must__c is required and not mapped"} {
		if !strings.Contains(got, part) {
			t.Errorf("warnings %q; want %q in them", got, part)
		}
	}
	if w := upserts(t, "Name").Warnings(); len(w) > 0 {
		t.Errorf("warnings without a reason: %q", w)
	}
}

func TestRow_AbsentIsLeftAlone_NullClears(t *testing.T) {
	m := upserts(t, "Name", "Paid__c", "Total__c")
	r := row(t, m, input(t, `{"ERP_Id__c":"E-1","Name":null,"Paid__c":true}`))
	same(t, m.Record(r), salesforce.Record{"ERP_Id__c": "E-1", "Name": nil, "Paid__c": true})
	if got := columnsOf(m, r); !slices.Equal(got, []string{"ERP_Id__c", "Name", "Paid__c"}) {
		t.Errorf("columns %v", got)
	}
	absent := mapper(t, rows.Config{ExternalID: "ERP_Id__c", Fields: map[string]string{"ERP_Id__c": "id", "Name": `name == "-" ? absent() : name`}}, object())
	same(t, absent.Record(row(t, absent, input(t, `{"id":"E-1","name":"-"}`))), salesforce.Record{"ERP_Id__c": "E-1"})
}

func TestRow_EverythingWrongIsToldAtOnce(t *testing.T) {
	m := upserts(t, "Name", "Paid__c", "Due__c")
	_, err := m.Row(input(t, `{"ERP_Id__c":"E-1","Name":"a name that is too long","Paid__c":"perhaps","Due__c":"2024-01-01"}`))
	why := rejected(t, err, flow.BadValue, "Name", "Paid__c")
	if !strings.HasPrefix(why.Error(), "Name: ") || !strings.Contains(why.Error(), "; Paid__c: ") {
		t.Errorf("reason %q", why)
	}
}

func TestRow_ExpressionThatFails_IsBadMapping(t *testing.T) {
	m := mapper(t, rows.Config{ExternalID: "ERP_Id__c", Fields: map[string]string{"ERP_Id__c": "id", "Name": "millis(name)"}}, object())
	_, err := m.Row(input(t, `{"id":"E-1","name":"secret text"}`))
	why := rejected(t, err, flow.BadMapping, "Name")
	if strings.Contains(why.Error(), "secret text") {
		t.Errorf("the reason shows the value: %v", why)
	}
}

func TestRow_Parents(t *testing.T) {
	m := upserts(t, "Account__r.ERP_Id__c", "Contact:Who.Email", "Lead:Who.Email", "Buyer__c", "OwnerId")
	for name, c := range map[string]struct {
		in      string
		want    salesforce.Record
		columns []string
		parent  string
	}{
		"by external id": {
			`{"ERP_Id__c":"E-1","Account__r_ERP_Id__c":"A-1"}`,
			salesforce.Record{"ERP_Id__c": "E-1", "Account__r": salesforce.Record{"ERP_Id__c": "A-1"}},
			[]string{"Account__r.ERP_Id__c", "ERP_Id__c"},
			"A-1",
		},
		"by a number": {
			`{"ERP_Id__c":"E-1","Account__r_ERP_Id__c":9007199254740993}`,
			salesforce.Record{"ERP_Id__c": "E-1", "Account__r": salesforce.Record{"ERP_Id__c": "9007199254740993"}},
			[]string{"Account__r.ERP_Id__c", "ERP_Id__c"},
			"9007199254740993",
		},
		"null clears the reference": {
			`{"ERP_Id__c":"E-1","Account__r_ERP_Id__c":null}`,
			salesforce.Record{"ERP_Id__c": "E-1", "Account__c": nil},
			[]string{"Account__c", "ERP_Id__c"},
			"",
		},
		"so does empty text": {
			`{"ERP_Id__c":"E-1","Account__r_ERP_Id__c":""}`, salesforce.Record{"ERP_Id__c": "E-1", "Account__c": nil}, []string{"Account__c", "ERP_Id__c"}, "",
		},
		"of one of several kinds": {
			`{"ERP_Id__c":"E-1","Lead_Who_Email":"a@example.com","Contact_Who_Email":null}`,
			salesforce.Record{"ERP_Id__c": "E-1", "Who": salesforce.Record{"Email": "a@example.com", "attributes": salesforce.Record{"type": "Lead"}}},
			[]string{"ERP_Id__c", "Lead:Who.Email"},
			"a@example.com",
		},
		"of no kind": {
			`{"ERP_Id__c":"E-1","Lead_Who_Email":null,"Contact_Who_Email":null}`,
			salesforce.Record{"ERP_Id__c": "E-1", "WhoId": nil},
			[]string{"ERP_Id__c", "WhoId"},
			"",
		},
		"an owner is no parent": {
			`{"ERP_Id__c":"E-1","OwnerId":"` + id15 + `"}`, salesforce.Record{"ERP_Id__c": "E-1", "OwnerId": id18}, []string{"ERP_Id__c", "OwnerId"}, "",
		},
	} {
		r := row(t, m, input(t, c.in))
		same(t, m.Record(r), c.want)
		if got := columnsOf(m, r); !slices.Equal(got, c.columns) || r.Parent != c.parent {
			t.Errorf("%s: columns %v, parent %q; want %v, %q", name, got, r.Parent, c.columns, c.parent)
		}
	}
	_, err := m.Row(input(t, `{"ERP_Id__c":"E-1","Lead_Who_Email":"a@example.com","Contact_Who_Email":"b@example.com"}`))
	rejected(t, err, flow.BadValue, "WhoId")
}

func TestRow_Operations(t *testing.T) {
	cfg := rows.Config{
		ExternalID: "ERP_Id__c", Operation: rows.Update, OperationFrom: "op", Operations: map[string]rows.Operation{"c": rows.Insert, "d": rows.Delete, "7": rows.Upsert},
		Fields: map[string]string{"ERP_Id__c": "id", "Name": "name"},
	}
	m := mapper(t, cfg, object())
	for op, want := range map[string]rows.Operation{
		`"c"`: rows.Insert, `"d"`: rows.Delete, `7`: rows.Upsert, `"upsert"`: rows.Upsert, `"UNDELETE"`: rows.Undelete, `null`: rows.Update, `"insert"`: rows.Insert,
	} {
		r := row(t, m, input(t, `{"id":"E-1","name":"x","op":`+op+`}`))
		if r.Op != want || r.Key != "E-1" {
			t.Errorf("%s: %s of %q, want %s", op, r.Op, r.Key, want)
		}
		if removes := want == rows.Delete || want == rows.Undelete; removes != (len(r.Values) == 0) {
			t.Errorf("%s: values %v", op, r.Values)
		}
	}
	if r := row(t, m, input(t, `{"id":"E-1"}`)); r.Op != rows.Update {
		t.Errorf("without one: %s, want the fixed one", r.Op)
	}
	for _, op := range []string{`"x"`, `"C"`, `{}`, `""`} {
		_, err := m.Row(input(t, `{"id":"E-1","op":`+op+`}`))
		rejected(t, err, flow.BadOperation)
	}
	cfg.Operation = ""
	_, err := mapper(t, cfg, object()).Row(input(t, `{"id":"E-1"}`)) // mapper makes it an upsert
	if err != nil {
		t.Error(err)
	}
	only, err := rows.New(cfg, object())
	if err != nil {
		t.Fatal(err)
	}
	_, err = only.Row(input(t, `{"id":"E-1"}`))
	rejected(t, err, flow.BadOperation)

	o := object()
	o.Undeletable = false
	_, err = mapper(t, cfg, o).Row(input(t, `{"id":"E-1","op":"undelete"}`))
	rejected(t, err, flow.Permission)
}

func TestRow_Tombstones(t *testing.T) {
	cfg := rows.Config{ExternalID: "ERP_Id__c", Fields: map[string]string{"ERP_Id__c": "trim(id)", "Name": "name"}}
	dead := &expression.Input{Key: "E-1", Timestamp: 1772442907123}
	r := row(t, mapper(t, cfg, object()), dead)
	if r.Op != rows.Delete || r.Key != "E-1" || len(r.Values) > 0 || r.Version != "2026-03-02T09:15:07.123Z" {
		t.Errorf("row %+v", r)
	}
	cfg.OnTombstone = rows.TombstoneIgnore
	if r, err := mapper(t, cfg, object()).Row(dead); r != nil || err != nil {
		t.Errorf("row %v, %v; want none", r, err)
	}
	cfg.OnTombstone = rows.TombstoneReject
	_, err := mapper(t, cfg, object()).Row(dead)
	rejected(t, err, flow.BadOperation)
	o := object()
	o.Deletable = false
	cfg.OnTombstone = ""
	_, err = mapper(t, cfg, o).Row(dead)
	rejected(t, err, flow.Permission)
}

func TestRow_Versions(t *testing.T) {
	cfg := rows.Config{ExternalID: "ERP_Id__c", Fields: map[string]string{"ERP_Id__c": "id"}, Version: "v"}
	m := mapper(t, cfg, object())
	for in, want := range map[string]string{
		`"2026-03-02T10:15:07+01:00"`: "2026-03-02T09:15:07.000Z", `"2026-03-02T09:15:07.1239Z"`: "2026-03-02T09:15:07.123Z",
		`17`: "17", `"9007199254740993"`: "9007199254740993", `1.7e1`: "17",
	} {
		if r := row(t, m, input(t, `{"id":"E-1","v":`+in+`}`)); r.Version != want {
			t.Errorf("%s: version %q, want %q", in, r.Version, want)
		}
	}
	for _, in := range []string{`null`, `"2026-03-02"`, `true`, `"v2"`} {
		_, err := m.Row(input(t, `{"id":"E-1","v":`+in+`}`))
		rejected(t, err, flow.BadValue)
	}
	if r := row(t, m, &expression.Input{Key: "E-1", Timestamp: 1000}); r.Version != "1970-01-01T00:00:01.000Z" {
		t.Errorf("version of a tombstone %q", r.Version)
	}
	cfg.Version = ""
	if r := row(t, mapper(t, cfg, object()), input(t, `{"id":"E-1"}`)); r.Version != "2026-03-02T09:15:07.123Z" {
		t.Errorf("version %q, want the record's timestamp", r.Version)
	}
}

func TestRemedies_AreExpressionsThatWork(t *testing.T) {
	for _, c := range []struct {
		field, remedy, in string
		want              any
	}{
		{"Due__c", `due[:10]`, `{"due":"2024-10-27T01:30:00Z"}`, "2024-10-27"},
		{"Due__c", `days(due)`, `{"due":19782}`, "2024-02-29"},
		{"At__c", `millis(at)`, `{"at":1729992600000}`, "2024-10-27T01:30:00.000Z"},
		{"At__c", `seconds(at)`, `{"at":1729992600}`, "2024-10-27T01:30:00.000Z"},
		{"At__c", `due + 'T00:00:00Z'`, `{"due":"2024-02-29"}`, "2024-02-29T00:00:00.000Z"},
		{"At__c", `at + 'Z'`, `{"at":"2024-02-29T10:00:00"}`, "2024-02-29T10:00:00.000Z"},
		{"Pickup__c", `millis(at)[11:]`, `{"at":33307000}`, "09:15:07.000Z"},
		{"Paid__c", `active == 'Y'`, `{"active":"Y"}`, true},
		{"Notes__c", `toJSON(list)`, `{"list":["a",1]}`, "[\n  \"a\",\n  1\n]"},
		{"Stage__c", `trim(stage)`, `{"stage":"In Progress "}`, "In Progress"},
		{"Count__c", `round(n)`, `{"n":5.5}`, n("6")},
		{"Blob__c", `toBase64(s)`, `{"s":"hi"}`, "aGk="},
		{"Total__c", `replace(replace(total, ".", ""), ",", ".")`, `{"total":"1.234,56"}`, n("1234.56")},
		{"Name", `absent()`, `{}`, nil},
	} {
		m := mapper(t, rows.Config{ExternalID: "ERP_Id__c", Fields: map[string]string{"ERP_Id__c": `"E-1"`, c.field: c.remedy}}, object())
		r, err := m.Row(input(t, c.in))
		if err != nil {
			t.Errorf("%s: %v", c.remedy, err)
		} else if got := m.Record(r)[c.field]; got != c.want {
			t.Errorf("%s: %#v, want %#v", c.remedy, got, c.want)
		}
	}
}

func TestParents_AreLookedAtIfTheyAreDescribed(t *testing.T) {
	cfg := rows.Config{Operation: rows.Upsert, ExternalID: "ERP_Id__c", Namespace: "acme", Fields: fields(
		"ERP_Id__c", "Name", "Account__r.ERP_Id__c", "Contact:Who.Email", "Lead:Who.Code__c", "Nowhere__r.Code__c")}
	if got := rows.Parents(cfg, object()); !slices.Equal(got, []string{"Account", "Contact", "Lead"}) {
		t.Errorf("parents %v", got)
	}
	delete(cfg.Fields, "Nowhere__r.Code__c")
	parents := []*salesforce.Object{
		{Name: "Account", Fields: []salesforce.Field{field("ERP_Id__c", "string", external)}},
		{Name: "Contact", Fields: []salesforce.Field{field("Email", "email", func(f *salesforce.Field) { f.IDLookup = true })}},
		{Name: "Lead", Fields: []salesforce.Field{field("acme__Code__c", "string", external)}},
	}
	m, err := rows.New(cfg, object(), parents...)
	if err != nil {
		t.Fatal(err)
	}
	r := row(t, m, input(t, `{"ERP_Id__c":"E-1","Account__r_ERP_Id__c":"A-1","Lead_Who_Code__c":"L-1"}`))
	if got := columnsOf(m, r); !slices.Equal(got, []string{"Account__r.ERP_Id__c", "ERP_Id__c", "Lead:Who.acme__Code__c"}) {
		t.Errorf("columns %v", got)
	}
	parents[0].Fields[0].Name, parents[1].Fields[0].IDLookup = "ERP_Id2__c", false
	_, err = rows.New(cfg, object(), parents...)
	for _, part := range []string{"fields.Account__r.ERP_Id__c: Account has no field ERP_Id__c", "is it ERP_Id2__c?", "fields.Contact:Who.Email: Email of Contact is not an external id"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v; want %q in it", err, part)
		}
	}
}
