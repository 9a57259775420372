package rows_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"sfbridge/internal/pipenet"
	"sfbridge/orgsim"
	"sfbridge/salesforce"
	"sfbridge/salesforce/auth"
	"sfbridge/salesforce/bulk"
	"sfbridge/writeback/rows"
)

const base = "http://127.0.0.1:8443"

// token is a session that always has the same one.
type token struct{}

func (token) Token(context.Context) (auth.Token, error) {
	return auth.Token{AccessToken: "given-token", InstanceURL: base, OrgID: "00DKX00000000012AA"}, nil
}
func (token) Invalidate(auth.Token) {}

// simulate runs an org with an object that has a field of every type.
func simulate(t *testing.T) (*orgsim.Org, *salesforce.Client) {
	t.Helper()
	org, err := orgsim.New(orgsim.Config{Objects: append(orgsim.BuiltinObjects(), everything()), Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	org.SetInstanceURL(base)
	org.AddToken("given-token", org.IntegrationUser())
	network := pipenet.New()
	l, err := network.Listen("tcp", "127.0.0.1:8443")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: org.HTTPHandler()}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	transport := &http.Transport{DialContext: network.Dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		org.Close()
		_ = server.Close()
		<-served
	})
	c, err := salesforce.New(salesforce.Config{Session: token{}, APIVersion: org.APIVersion(), HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = org.Transact(t.Context(), orgsim.Caller{API: "rest"}, func(tx *orgsim.Tx) error {
		for i := range 3 {
			_, err := tx.Insert("Account", map[string]orgsim.Value{"Name": orgsim.String("A"), "ERP_Id__c": orgsim.String(fmt.Sprint("A-", i))})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return org, c
}

func everything() orgsim.ObjectDef {
	choice := []orgsim.PicklistValue{{Value: "a"}, {Value: "b"}, {Value: "c", Label: "C!"}, {Value: "old", Inactive: true}}
	return orgsim.ObjectDef{Name: "Thing__c", NameFormat: "T-{0000}", Fields: []*orgsim.FieldDef{
		{Name: "Key__c", Type: orgsim.TypeString, Length: 40, ExternalID: true, Unique: true},
		{Name: "Text__c", Type: orgsim.TypeString, Length: 20},
		{Name: "Area__c", Type: orgsim.TypeTextArea, Length: 255},
		{Name: "Long__c", Type: orgsim.TypeLongTextArea, Length: 131072},
		{Name: "Rich__c", Type: orgsim.TypeRichTextArea, Length: 32768},
		{Name: "Pick__c", Type: orgsim.TypePicklist, Length: 255, Picklist: choice, Restricted: true},
		{Name: "Any__c", Type: orgsim.TypePicklist, Length: 255, Picklist: choice},
		{Name: "Many__c", Type: orgsim.TypeMultiPicklist, Length: 4099, Picklist: choice, Restricted: true},
		{Name: "Combo__c", Type: orgsim.TypeCombobox, Length: 255},
		{Name: "Flag__c", Type: orgsim.TypeBoolean},
		{Name: "Int__c", Type: orgsim.TypeInt},
		{Name: "Wide__c", Type: orgsim.TypeLong},
		{Name: "Double__c", Type: orgsim.TypeDouble, Precision: 18, Scale: 4},
		{Name: "Money__c", Type: orgsim.TypeCurrency, Precision: 18, Scale: 2},
		{Name: "Percent__c", Type: orgsim.TypePercent, Precision: 5, Scale: 2},
		{Name: "Day__c", Type: orgsim.TypeDate},
		{Name: "At__c", Type: orgsim.TypeDateTime},
		{Name: "Clock__c", Type: orgsim.TypeTime},
		{Name: "Mail__c", Type: orgsim.TypeEmail},
		{Name: "Phone__c", Type: orgsim.TypePhone},
		{Name: "Link__c", Type: orgsim.TypeURL},
		{Name: "Home__c", Type: orgsim.TypeAddress},
		{Name: "Spot__c", Type: orgsim.TypeLocation},
		{Name: "Account__c", Type: orgsim.TypeReference, ReferenceTo: []string{"Account"}},
		{Name: "Party__c", Type: orgsim.TypeReference, ReferenceTo: []string{"Contact", "Account"}},
		{Name: "Must__c", Type: orgsim.TypeString, Length: 20, Required: true},
	}}
}

// anyText is text that is awkward in one API or the other.
func anyText(rnd *rand.Rand, most int) string {
	pieces := []string{"a", "Z", " ", ",", `"`, "\n", "\r\n", "\r", "\t", ";", "é", "東", "😀", "'", "\\", "#N/A", "null", "0", "</x>", "\u00a0", "\u2028", "\ufeff", "\u0001"}
	var b strings.Builder
	for range rnd.IntN(most + 1) {
		b.WriteString(pieces[rnd.IntN(len(pieces))])
	}
	return b.String()
}

func one[T any](rnd *rand.Rand, list ...T) T { return list[rnd.IntN(len(list))] }

// anyRecord is a record with values of every type, many of them not what the
// field takes.
func anyRecord(rnd *rand.Rand, org *orgsim.Org, key string) map[string]any {
	number := func() any {
		s := fmt.Sprintf("%s%d%s", one(rnd, "", "-"), rnd.Int64N(one[int64](rnd, 10, 1000, 1<<31, 1<<60)), one(rnd, "", ".5", ".005", ".995", "e2", "E-3", ".0"))
		if rnd.IntN(3) == 0 {
			return s
		}
		return json.Number(s)
	}
	at := func() any {
		return fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02d%s%s", one(rnd, 1583, 1969, 1970, 2024, 4000), 1+rnd.IntN(12), 1+rnd.IntN(31),
			rnd.IntN(25), rnd.IntN(60), rnd.IntN(60), one(rnd, "", ".1", ".999999"), one(rnd, "Z", "+0000", "-03:00", "+05:45", ""))
	}
	choice := func() any {
		return one[any](rnd, "a", "b", "c", "old", "A", "b ", "a;b", "a;;c", []any{"a", "b"}, []any{"c"}, []any{})
	}
	account := func() string {
		return org.FindByExternalID("Account", "ERP_Id__c", orgsim.String(fmt.Sprint("A-", rnd.IntN(3))))[0].ID
	}
	make1 := map[string]func() any{
		"Text__c": func() any { return anyText(rnd, 8) }, "Area__c": func() any { return anyText(rnd, 40) }, "Long__c": func() any { return anyText(rnd, 200) },
		"Rich__c": func() any { return anyText(rnd, 50) }, "Pick__c": choice, "Any__c": choice, "Many__c": choice, "Combo__c": func() any { return anyText(rnd, 5) },
		"Flag__c": func() any { return one[any](rnd, true, false, "TRUE", "0", json.Number("1"), "no") },
		"Int__c":  number, "Wide__c": number, "Double__c": number, "Money__c": number, "Percent__c": number,
		"Day__c":   func() any { return fmt.Sprintf("%d-%02d-%02d", 1600+rnd.IntN(600), 1+rnd.IntN(12), 1+rnd.IntN(31)) },
		"At__c":    at,
		"Clock__c": func() any { return one[any](rnd, "09:15", "23:59:59.999Z", "00:00:00", "12:30:01.5", "noon") },
		"Mail__c":  func() any { return one[any](rnd, "a@example.com", "nobody", " b@example.com ", "") },
		"Phone__c": func() any { return one[any](rnd, "+49 731 1", json.Number("7"), anyText(rnd, 5)) },
		"Link__c":  func() any { return "https://acme.example/" + anyText(rnd, 3) },
		"Home__c": func() any {
			return map[string]any{"Street": anyText(rnd, 6), "City": one[any](rnd, "Ulm", nil), "Latitude": one[any](rnd, json.Number("48.4"), json.Number("99"))}
		},
		"Spot__c": func() any {
			return map[string]any{"Latitude": json.Number("1.5"), "Longitude": json.Number("-170.123456789")}
		},
		"Account__c": func() any { return one[any](rnd, account(), account()[:15], "001000000000000AAA", "") },
		"Account__r": func() any { return map[string]any{"ERP_Id__c": one[any](rnd, "A-0", "A-1", "A-9", nil)} },
		"Party__r": func() any {
			return map[string]any{"attributes": map[string]any{"type": "Account"}, "ERP_Id__c": one[any](rnd, "A-0", "A-2", "A-9")}
		},
		"Must__c": func() any { return one[any](rnd, "x", "y", "") },
	}
	rec := map[string]any{"Key__c": key, "Must__c": "x"}
	names := slices.Sorted(maps.Keys(make1))
	for range rnd.IntN(6) {
		name := one(rnd, names...)
		rec[name] = make1[name]()
		if rnd.IntN(6) == 0 {
			rec[name] = nil
		}
	}
	return rec
}

// upsertREST and upsertBulk write rows and tell which of them the org refused.
// Of several things wrong with a row, the org tells any.
func upsertREST(t *testing.T, c *salesforce.Client, recs []salesforce.Record) []string {
	t.Helper()
	var failed []string
	for part := range slices.Chunk(recs, salesforce.MaxCollection) {
		out, err := c.UpsertMany(t.Context(), "Thing__c", "Key__c", part)
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range out {
			if o.Err != nil {
				failed = append(failed, part[i]["Key__c"].(string))
			}
		}
	}
	slices.Sort(failed)
	return failed
}

func upsertBulk(t *testing.T, c *salesforce.Client, columns []string, recs []salesforce.Record) []string {
	t.Helper()
	b, err := bulk.New(bulk.Config{API: c})
	if err != nil {
		t.Fatal(err)
	}
	job, err := b.Submit(t.Context(), bulk.Spec{Object: "Thing__c", Operation: bulk.Upsert, ExternalIDField: "Key__c"}, bulk.Records(columns, recs), nil)
	if err == nil {
		job, err = b.Wait(t.Context(), bulk.Ingest, job.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	var failed []string
	for row, err := range b.Results(t.Context(), job, bulk.FailedRows) {
		if err != nil {
			t.Fatal(err)
		}
		key, _ := row.Get("Key__c")
		failed = append(failed, key)
	}
	slices.Sort(failed)
	return failed
}

func TestRows_RESTAndBulkLeaveTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		orgA, rest := simulate(t)
		orgB, viaBulk := simulate(t)
		o, err := rest.Describe(t.Context(), "Thing__c")
		if err != nil {
			t.Fatal(err)
		}
		m := mapper(t, rows.Config{ExternalID: "Key__c"}, o)
		rnd := rand.New(rand.NewPCG(1, 2))
		const n = 400
		taken, refused := 0, 0
		for round := range 5 {
			var mapped []*rows.Row
			var recs []salesforce.Record
			for i := range n {
				r, err := m.Row(record(anyRecord(rnd, orgA, fmt.Sprint("K-", i))))
				if err != nil || !r.FitsBulk() {
					continue
				}
				mapped, recs = append(mapped, r), append(recs, m.Record(r))
			}
			failedA := upsertREST(t, rest, recs)
			failedB := upsertBulk(t, viaBulk, m.Columns(mapped), recs)
			if !slices.Equal(failedA, failedB) {
				t.Errorf("round %d: refused by REST %v, by Bulk %v", round, failedA, failedB)
			}
			taken, refused = taken+len(recs), refused+len(failedA)
			for i := range n {
				compareRows(t, orgA, orgB, fmt.Sprint("K-", i))
			}
		}
		if taken < 1000 || refused < 50 || refused > taken/2 {
			t.Errorf("%d records became rows, and %d of them were refused: too few to say anything", taken, refused)
		}
	})
}

func compareRows(t *testing.T, a, b *orgsim.Org, key string) {
	t.Helper()
	x, y := a.FindByExternalID("Thing__c", "Key__c", orgsim.String(key)), b.FindByExternalID("Thing__c", "Key__c", orgsim.String(key))
	if len(x) != len(y) || len(x) > 1 {
		t.Errorf("%s: %d rows by REST, %d by Bulk", key, len(x), len(y))
		return
	}
	if len(x) == 0 {
		return
	}
	for _, f := range a.Object("Thing__c").Fields {
		switch f.Name {
		case "Id", "Name", "CreatedDate", "LastModifiedDate", "SystemModstamp":
			continue
		}
		if x[0].Get(f.Name) != y[0].Get(f.Name) {
			t.Errorf("%s.%s: %#v by REST, %#v by Bulk", key, f.Name, x[0].Get(f.Name), y[0].Get(f.Name))
		}
	}
}
