package soql_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sfbridge/orgsim/soql"
)

// The test org: accounts, contacts that point to them, and users.
type (
	table struct {
		name    string
		fields  []soql.Field
		parents []soql.Relation
		kids    []soql.Relation
	}
	catalog map[string]*table
	row     map[string]soql.Value
	data    map[string][]row
)

func (c catalog) Object(name string) (soql.Object, bool) {
	t, ok := c[strings.ToLower(name)]
	return t, ok
}
func (t *table) Name() string         { return t.name }
func (t *table) Fields() []soql.Field { return t.fields }
func (t *table) Field(name string) (soql.Field, bool) {
	i := slices.IndexFunc(t.fields, func(f soql.Field) bool { return strings.EqualFold(f.Name, name) })
	if i < 0 {
		return soql.Field{}, false
	}
	return t.fields[i], true
}

func find(rels []soql.Relation, name string) (soql.Relation, bool) {
	i := slices.IndexFunc(rels, func(r soql.Relation) bool { return strings.EqualFold(r.Name, name) })
	if i < 0 {
		return soql.Relation{}, false
	}
	return rels[i], true
}
func (t *table) Parent(name string) (soql.Relation, bool) { return find(t.parents, name) }
func (t *table) Child(name string) (soql.Relation, bool)  { return find(t.kids, name) }

func (r row) Value(field string) soql.Value { return r[field] }

func (d data) Scan(object string, deleted bool, fn func(soql.Row) bool) {
	for _, r := range d[object] {
		if r["IsDeleted"] == true && !deleted {
			continue
		}
		if !fn(r) {
			return
		}
	}
}

func (d data) Row(object, id string, deleted bool) (soql.Row, bool) {
	for _, r := range d[object] {
		if r["Id"] == id && (deleted || r["IsDeleted"] != true) {
			return r, true
		}
	}
	return nil, false
}

var objects = catalog{
	"account": {
		name: "Account",
		fields: []soql.Field{
			{Name: "Id", Kind: soql.ID},
			{Name: "IsDeleted", Kind: soql.Bool},
			{Name: "Name"},
			{Name: "Phone"},
			{Name: "Revenue", Kind: soql.Number},
			{Name: "Founded__c", Kind: soql.Date, Custom: true},
			{Name: "SystemModstamp", Kind: soql.DateTime},
			{Name: "Opens__c", Kind: soql.Time, Custom: true},
			{Name: "Tags__c", Kind: soql.Multi, Custom: true},
			{Name: "Code__c", CaseSensitive: true, Custom: true},
			{Name: "Description", Kind: soql.LongText},
			{Name: "BillingAddress", Kind: soql.Compound},
			{Name: "OwnerId", Kind: soql.ID},
		},
		parents: []soql.Relation{{Name: "Owner", Object: "User", Field: "OwnerId"}},
		kids:    []soql.Relation{{Name: "Contacts", Object: "Contact", Field: "AccountId"}},
	},
	"contact": {
		name: "Contact",
		fields: []soql.Field{
			{Name: "Id", Kind: soql.ID}, {Name: "IsDeleted", Kind: soql.Bool}, {Name: "LastName"}, {Name: "AccountId", Kind: soql.ID},
		},
		parents: []soql.Relation{{Name: "Account", Object: "Account", Field: "AccountId"}},
	},
	"user": {name: "User", fields: []soql.Field{{Name: "Id", Kind: soql.ID}, {Name: "Name"}}},
}

const (
	acme  = "001xx0000000001AAA"
	zeta  = "001xx0000000002AAA"
	blank = "001xx0000000003AAA"
	gone  = "001xx0000000004AAA"
	owner = "005xx0000000001AAA"
)

func stamp(text string) soql.Stamp {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return soql.Stamp(t.UnixMilli())
}

var rows = data{
	"Account": {
		{
			"Id": acme, "IsDeleted": false, "Name": "Acme", "Phone": "1", "Revenue": soql.Num("999999999999999.99"),
			"Founded__c": soql.Day(19000), "SystemModstamp": stamp("2026-03-02T09:15:07Z"), "Opens__c": soql.Clock(9 * 3600 * 1000),
			"Tags__c": "red;green", "Code__c": "abc", "OwnerId": owner, "Description": "long",
		},
		{
			"Id": zeta, "IsDeleted": false, "Name": "zeta 100%", "Revenue": soql.Num("12.5"),
			"SystemModstamp": stamp("2026-03-01T00:00:00Z"), "Code__c": "ABC", "Tags__c": "blue",
		},
		{"Id": blank, "IsDeleted": false, "Name": "Beta", "Phone": "2", "SystemModstamp": stamp("2026-02-27T23:59:59Z")},
		{"Id": gone, "IsDeleted": true, "Name": "Gone", "SystemModstamp": stamp("2026-03-02T10:00:00Z")},
	},
	"Contact": {
		{"Id": "003xx0000000001AAA", "IsDeleted": false, "LastName": "Ames", "AccountId": acme},
		{"Id": "003xx0000000002AAA", "IsDeleted": false, "LastName": "Bell", "AccountId": acme},
		{"Id": "003xx0000000003AAA", "IsDeleted": false, "LastName": "Cole"},
	},
	"User": {{"Id": owner, "Name": "Olga"}},
}

var now = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func query(text string, deleted bool) (*soql.Result, error) {
	q, err := soql.Parse(text)
	if err != nil {
		return nil, err
	}
	p, err := soql.Bind(q, objects, now)
	if err != nil {
		return nil, err
	}
	return p.Run(rows, soql.Options{Deleted: deleted}), nil
}

// show writes a result as one line.
func show(res *soql.Result) string {
	var out []string
	for _, rec := range res.Slice(0, res.Len()) {
		out = append(out, showRecord(rec))
	}
	return strings.Join(out, " | ")
}

func showRecord(rec *soql.Record) string {
	var cells []string
	for _, c := range rec.Cells {
		switch v := c.Value.(type) {
		case *soql.Record:
			cells = append(cells, c.Name+"{"+showRecord(v)+"}")
		case *soql.Result:
			cells = append(cells, c.Name+"["+show(v)+"]")
		default:
			cells = append(cells, fmt.Sprint(v))
		}
	}
	return strings.Join(cells, ",")
}

func TestQuery_FindsWhatSalesforceWould(t *testing.T) {
	for _, tc := range []struct{ query, want string }{
		{"SELECT Name FROM Account", "Acme | zeta 100% | Beta"},
		{"select name from account where NAME = 'ACME'", "Acme"},
		{"SELECT a.Name FROM Account a WHERE a.Name != 'acme'", "zeta 100% | Beta"},
		{"SELECT Account.Name FROM Account WHERE Id = '001xx0000000001'", "Acme"},
		{"SELECT Name FROM Account WHERE Id IN ('" + zeta + "','" + acme + "')", "Acme | zeta 100%"},
		{"SELECT Name FROM Account WHERE Id NOT IN ('" + zeta + "')", "Acme | Beta"},
		{"SELECT Name FROM Account WHERE Phone = null", "zeta 100%"},
		{"SELECT Name FROM Account WHERE Phone = ''", "zeta 100%"},
		{"SELECT Name FROM Account WHERE Phone != null", "Acme | Beta"},
		{"SELECT Name FROM Account WHERE Phone != '1'", "zeta 100% | Beta"},
		{"SELECT Name FROM Account WHERE Phone > '1'", "Beta"},
		{"SELECT Name FROM Account WHERE Code__c = 'abc'", "Acme"},
		{"SELECT Name FROM Account WHERE Revenue > 12.49 AND Revenue <= 12.50", "zeta 100%"},
		{"SELECT Name FROM Account WHERE Revenue = 999999999999999.99", "Acme"},
		{"SELECT Name FROM Account WHERE Revenue = 999999999999999.98", ""},
		{"SELECT Name FROM Account WHERE Founded__c = 2022-01-08", "Acme"},
		{"SELECT Name FROM Account WHERE Opens__c >= 09:00:00.000Z", "Acme"},
		{"SELECT Name FROM Account WHERE SystemModstamp >= 2026-03-01T01:00:00.000+01:00", "Acme | zeta 100%"},
		{"SELECT Name FROM Account WHERE SystemModstamp > 2026-03-01T00:00:00Z", "Acme"},
		{"SELECT Name FROM Account WHERE SystemModstamp = TODAY", "Acme"},
		{"SELECT Name FROM Account WHERE SystemModstamp = LAST_N_DAYS:1", "Acme | zeta 100%"},
		{"SELECT Name FROM Account WHERE SystemModstamp < THIS_MONTH", "Beta"},
		{"SELECT Name FROM Account WHERE SystemModstamp = LAST_MONTH", "Beta"},
		{"SELECT Name FROM Account WHERE SystemModstamp = YESTERDAY", "zeta 100%"},
		{"SELECT Name FROM Account WHERE Name LIKE 'a%'", "Acme"},
		{"SELECT Name FROM Account WHERE Name LIKE '_eta%'", "zeta 100% | Beta"},
		{`SELECT Name FROM Account WHERE Name LIKE '%0\%'`, "zeta 100%"},
		{`SELECT Name FROM Account WHERE Name LIKE '%0\_'`, ""},
		{"SELECT Name FROM Account WHERE NOT Name LIKE '%eta%'", "Acme"},
		{"SELECT Name FROM Account WHERE (Name = 'Beta' OR Name = 'Acme') AND Phone = '2'", "Beta"},
		{"SELECT Name FROM Account WHERE Tags__c INCLUDES ('green;red','none')", "Acme"},
		{"SELECT Name FROM Account WHERE Tags__c EXCLUDES ('red')", "zeta 100% | Beta"},
		{"SELECT Name FROM Account WHERE Owner.Name = 'Olga'", "Acme"},
		{"SELECT Name FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE LastName = 'Bell')", "Acme"},
		{"SELECT Name FROM Account ORDER BY Name", "Acme | Beta | zeta 100%"},
		{"SELECT Name FROM Account ORDER BY Name DESC LIMIT 2", "zeta 100% | Beta"},
		{"SELECT Name FROM Account ORDER BY Phone", "zeta 100% | Acme | Beta"},
		{"SELECT Name FROM Account ORDER BY Phone DESC", "zeta 100% | Beta | Acme"},
		{"SELECT Name FROM Account ORDER BY Phone ASC NULLS LAST", "Acme | Beta | zeta 100%"},
		{"SELECT Name FROM Account ORDER BY SystemModstamp, Id LIMIT 1 OFFSET 1", "zeta 100%"},
		{"SELECT Name FROM Account LIMIT 0", ""},
		{
			"SELECT Id, Account.Name, Account.Owner.Name FROM Contact WHERE LastName IN ('Ames','Cole')",
			"003xx0000000001AAA,Account{Acme,Owner{Olga}} | 003xx0000000003AAA,<nil>",
		},
		{
			"SELECT Name, (SELECT LastName FROM Contacts ORDER BY LastName DESC LIMIT 1) FROM Account LIMIT 2",
			"Acme,Contacts[Bell] | zeta 100%,<nil>",
		},
		{
			"SELECT COUNT(Id), MAX(SystemModstamp) latest, MIN(Name), COUNT_DISTINCT(OwnerId) FROM Account",
			"3,1772442907000,Acme,1",
		},
		{"SELECT FIELDS(CUSTOM) FROM Account WHERE Name = 'Acme' LIMIT 1", "19000,32400000,red;green,abc"},
	} {
		res, err := query(tc.query, false)
		if err != nil {
			t.Errorf("%s: %v", tc.query, err)
			continue
		}
		if got := show(res); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.query, got, tc.want)
		}
	}
}

func TestQuery_CountAndDeletedRows(t *testing.T) {
	for _, tc := range []struct {
		query   string
		deleted bool
		total   int
	}{
		{"SELECT COUNT() FROM Account", false, 3},
		{"SELECT COUNT() FROM Account", true, 4},
		{"SELECT count() FROM Account WHERE IsDeleted = true ALL ROWS", false, 1},
		{"SELECT COUNT() FROM Account LIMIT 2", false, 2},
	} {
		res, err := query(tc.query, tc.deleted)
		if err != nil {
			t.Fatalf("%s: %v", tc.query, err)
		}
		if res.Total != tc.total || res.Len() != 0 {
			t.Errorf("%s: total %d with %d records, want %d with none", tc.query, res.Total, res.Len(), tc.total)
		}
	}
}

func TestQuery_RefusalsNameCodeAndPlace(t *testing.T) {
	for _, tc := range []struct {
		query, code, message string
		column               int
	}{
		{"SELECT FROM Account", "MALFORMED_QUERY", "unexpected token: 'FROM'", 8},
		{"SELECT Id", "MALFORMED_QUERY", "expecting 'from', found '<EOF>'", 10},
		{"SELECT Id FROM Account WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'", 29},
		{"SELECT Id FROM Account WHERE Name = 'x", "MALFORMED_QUERY", "unexpected end of string", 37},
		{"SELECT Id FROM Account WHERE Name = 'x' OR Phone = '1' AND Id = null", "MALFORMED_QUERY", "unexpected token: 'AND'", 56},
		{"SELECT Id FROM Account GROUP BY Name", "MALFORMED_QUERY", "unexpected token: 'GROUP'", 24},
		{"SELECT Id FROM Account; DROP", "MALFORMED_QUERY", "unexpected token: ';'", 23},
		{"SELECT FIELDS(ALL) FROM Account", "MALFORMED_QUERY", "LIMIT of at most 200", 8},
		{"SELECT Id, Nope FROM Account", "INVALID_FIELD", "No such column 'Nope' on entity 'Account'", 12},
		{"SELECT Id, Id FROM Account", "INVALID_FIELD", "duplicate field selected: Id", 12},
		{"SELECT Boss.Name FROM Account", "INVALID_FIELD", "Didn't understand relationship 'Boss'", 8},
		{"SELECT Id FROM Account WHERE Revenue = 'a'", "INVALID_FIELD", "must be of type double and should not be enclosed in quotes", 40},
		{"SELECT Id FROM Account WHERE Phone = 5", "INVALID_FIELD", "must be of type string and should be enclosed in quotes", 38},
		{"SELECT Id FROM Account WHERE Description = 'a'", "INVALID_FIELD", "can not be filtered", 30},
		{"SELECT Id FROM Account WHERE Id = 'short'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: short", 30},
		{"SELECT Id FROM Account WHERE IsDeleted > true", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on boolean field", 30},
		{"SELECT Id FROM Nothing", "INVALID_TYPE", "sObject type 'Nothing' is not supported", 16},
		{"SELECT Id FROM Account LIMIT 1 OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset", 39},
	} {
		_, err := query(tc.query, false)
		var e *soql.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: error %v, want %s", tc.query, err, tc.code)
			continue
		}
		if e.Code != tc.code || !strings.Contains(e.Message, tc.message) || e.Column != tc.column {
			t.Errorf("%s:\n got %s at %d: %s\nwant %s at %d: %s", tc.query, e.Code, e.Column, e.Message, tc.code, tc.column, tc.message)
		}
	}
}

func TestQuery_MessageShowsTheLine(t *testing.T) {
	_, err := query("SELECT Id\nFROM Account\nWHERE é = 1", false)
	want := "\nWHERE é = 1\n      ^\nERROR at Row:3:Column:7\nunexpected token: 'é'"
	var e *soql.Error
	if !errors.As(err, &e) || e.Message != want {
		t.Errorf("got %q, want message %q", err, want)
	}
}

func TestTo18_CompletesTheChecksum(t *testing.T) {
	for id, want := range map[string]string{
		"0015f00002J9YaU": "0015f00002J9YaUAAV", "000000000000000": "000000000000000AAA",
		"001D000000IRFma": "001D000000IRFmaIAH", "005D0000001cSZs": "005D0000001cSZsIAM", "500KX00000ABcdE": "500KX00000ABcdEYAT",
		"short": "short",
	} {
		if got := soql.To18(id); got != want {
			t.Errorf("To18(%s) = %s, want %s", id, got, want)
		}
	}
}

// FuzzQuery holds that no text makes the parser, the binder or a run panic,
// and that every refusal has a code and a place inside the text.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"SELECT Id, Account.Name FROM Contact WHERE LastName LIKE 'a\\_%' AND (NOT AccountId = null) ORDER BY LastName DESC NULLS LAST LIMIT 5 OFFSET 1",
		"SELECT Name, (SELECT LastName FROM Contacts) FROM Account WHERE SystemModstamp >= LAST_N_DAYS:30 FOR VIEW ALL ROWS",
		"SELECT COUNT(Id) n, MAX(Revenue) FROM Account WHERE Tags__c INCLUDES ('a;b','c')",
		"SELECT FIELDS(ALL) FROM Account LIMIT 200",
		"SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact) AND Opens__c < 09:00:00Z AND Founded__c > 2022-01-08",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		res, err := query(text, true)
		var e *soql.Error
		switch {
		case err == nil:
			_ = show(res)
		case !errors.As(err, &e) || e.Code == "" || e.Row < 0 || e.Column < 0 || e.Column > len(text)+1:
			t.Errorf("%q: refused with %#v", text, err)
		}
	})
}

func BenchmarkQuery(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		res, err := query("SELECT Id, Name FROM Account WHERE SystemModstamp >= 2026-03-01T00:00:00Z ORDER BY SystemModstamp, Id LIMIT 2", false)
		if err != nil || len(res.Slice(0, 2)) != 2 {
			b.Fatal(err)
		}
	}
}
