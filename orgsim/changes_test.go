package orgsim_test

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linkedin/goavro/v2"

	"sfbridge/event"
	"sfbridge/orgsim"
)

// decoded is an event read by another Avro library, with the names of its
// bitmaps resolved by its own schema.
type decoded struct {
	event.Header
	Body     map[string]any // plain values; parts of compounds as Parent.Part
	SchemaID event.SchemaID
	ReplayID event.ReplayID
	UUID     string
}

func decode(t *testing.T, org *orgsim.Org, schemaID event.SchemaID, payload []byte) decoded {
	t.Helper()
	text, ok := org.SchemaJSON(schemaID)
	if !ok {
		t.Fatalf("no schema %s", schemaID)
	}
	native, rest, err := codecOf(t, text).NativeFromBinary(payload)
	if err != nil || len(rest) > 0 {
		t.Fatalf("decode %x: %v, %d bytes left", payload, err, len(rest))
	}
	rec := native.(map[string]any)
	d := decoded{Body: map[string]any{}, SchemaID: schemaID}
	if h, ok := rec["ChangeEventHeader"].(map[string]any); ok {
		delete(rec, "ChangeEventHeader")
		d.Header = event.Header{
			EntityName: h["entityName"].(string), RecordIDs: texts(h["recordIds"]), ChangeType: event.ChangeType(h["changeType"].(string)),
			ChangeOrigin: h["changeOrigin"].(string), TransactionKey: h["transactionKey"].(string), SequenceNumber: h["sequenceNumber"].(int32),
			CommitTimestamp: h["commitTimestamp"].(int64), CommitNumber: h["commitNumber"].(int64), CommitUser: h["commitUser"].(string),
			NulledFields: names(t, text, texts(h["nulledFields"])), DiffFields: names(t, text, texts(h["diffFields"])),
			ChangedFields: names(t, text, texts(h["changedFields"])),
		}
	}
	for name, v := range rec {
		flatten(d.Body, name, v)
	}
	return d
}

// codecs keeps parsed schemas, since parsing takes far longer than decoding.
var codecs sync.Map

func codecOf(t *testing.T, schema string) *goavro.Codec {
	t.Helper()
	if c, ok := codecs.Load(schema); ok {
		return c.(*goavro.Codec)
	}
	c, err := goavro.NewCodec(schema)
	if err != nil {
		t.Fatalf("schema: %v\n%s", err, schema)
	}
	codecs.Store(schema, c)
	return c
}

func texts(v any) []string {
	var out []string
	for _, s := range v.([]any) {
		out = append(out, s.(string))
	}
	return out
}

func flatten(body map[string]any, name string, v any) {
	if union, ok := v.(map[string]any); ok {
		for branch, inner := range union {
			if parts, ok := inner.(map[string]any); ok && strings.Contains(branch, ".") {
				body[name] = "record"
				for part, pv := range parts {
					flatten(body, name+"."+part, pv)
				}
				return
			}
			v = inner
		}
	}
	if v != nil {
		body[name] = v
	}
}

// names resolves bitmaps to sorted names, the slow and plain way.
func names(t *testing.T, schema string, masks []string) []string {
	t.Helper()
	if len(masks) == 0 {
		return nil
	}
	fields := schemaFields(t, schema)
	var out []string
	for _, m := range masks {
		list, prefix := fields, ""
		if pos, rest, nested := strings.Cut(m, "-"); nested {
			i, err := strconv.Atoi(pos)
			if err != nil {
				t.Fatal(err)
			}
			list, prefix, m = fields[i].inner, fields[i].name+".", rest
		}
		bits, ok := new(big.Int).SetString(strings.TrimPrefix(m, "0x"), 16)
		if !ok {
			t.Fatalf("mask %q", m)
		}
		for i := range bits.BitLen() {
			if bits.Bit(i) == 1 {
				out = append(out, prefix+list[i].name)
			}
		}
	}
	slices.Sort(out)
	return out
}

func events(t *testing.T, org *orgsim.Org, entities ...string) []decoded {
	t.Helper()
	var out []decoded
	for _, e := range org.Stored(entities...) {
		d := decode(t, org, e.SchemaID, e.Payload)
		d.ReplayID, d.UUID = e.ReplayID, e.UUID
		out = append(out, d)
	}
	return out
}

func lastEvent(t *testing.T, org *orgsim.Org, entity string) decoded {
	t.Helper()
	all := events(t, org, entity)
	if len(all) == 0 {
		t.Fatalf("no event of %s", entity)
	}
	return all[len(all)-1]
}

func wantNames(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func wantBody(t *testing.T, d decoded, want map[string]any) {
	t.Helper()
	for name, v := range want {
		if d.Body[name] != v {
			t.Errorf("%s = %v, want %v", name, d.Body[name], v)
		}
	}
}

func update(t *testing.T, org *orgsim.Org, id string, fields vals) orgsim.Result {
	t.Helper()
	return do(t, org, func(tx *orgsim.Tx) error { return tx.Update(id, fields) })
}

func TestCreate_EveryType_WholeBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sleepUntil("2026-03-02T09:15:07Z")
		org := newOrg(t, orgsim.Config{APIVersion: "66.0"})
		account := insert(t, org, "Account", vals{"Name": orgsim.String("Acme")})
		id := insert(t, org, "Order__c", vals{
			"Account__c": orgsim.String(account), "Status__c": orgsim.String("Placed"), "Total__c": orgsim.MustDecimal("19.905"),
			"Quantity__c": orgsim.Int(3), "Due__c": orgsim.String("2024-05-06"), "Shipped_At__c": orgsim.String("2026-03-02T09:15:07.999+0200"),
			"Pickup_Time__c": orgsim.String("09:15:07.250Z"), "Ship_To__City__s": orgsim.String(" Lyon "), "Depot__Latitude__s": orgsim.MustDecimal("45.75"),
			"Channels__c": orgsim.String("Web;Shop"), "Notes__c": orgsim.String("a\r\nb"),
		})
		d := lastEvent(t, org, "Order__c")
		if d.EntityName != "Order__c" || d.ChangeType != event.Create || !slices.Equal(d.RecordIDs, []string{id}) || d.SequenceNumber != 1 {
			t.Errorf("header %+v", d.Header)
		}
		if d.CommitNumber <= 1<<53 || d.CommitTimestamp != time.Now().Truncate(time.Second).UnixMilli() || d.CommitUser != org.IntegrationUser() {
			t.Errorf("header %+v", d.Header)
		}
		if d.ChangeOrigin != "com/salesforce/api/rest/66.0" || len(d.ChangedFields)+len(d.NulledFields)+len(d.DiffFields) > 0 {
			t.Errorf("header %+v", d.Header)
		}
		wantBody(t, d, map[string]any{
			"Name": "O-00000001", "Account__c": account, "Status__c": "Placed", "Total__c": 19.91, "Quantity__c": 3.0, "Paid__c": false,
			"Due__c": int64(1714953600000), "Shipped_At__c": int64(1772435707000), "Pickup_Time__c": int64(33307250), "Ship_To__c.City": "Lyon",
			"Depot__c.Latitude": 45.75, "Channels__c": "Web;Shop", "Notes__c": "a\r\nb", "OwnerId": org.IntegrationUser(),
			"CreatedDate": d.CommitTimestamp, "LastModifiedById": org.IntegrationUser(),
		})
		for _, absent := range []string{"Discount__c", "Ship_To__c.Street", "Depot__c.Longitude", "Id", "SystemModstamp", "IsDeleted", "Email__c"} {
			if v, ok := d.Body[absent]; ok {
				t.Errorf("%s = %v, want nothing", absent, v)
			}
		}
	})
}

func TestUpdate_ChangedAndNulled_OnlyThose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t, orgsim.Config{})
		id := insert(t, org, "Account", vals{
			"Name": orgsim.String("Acme"), "Phone": orgsim.String("1"), "Fax": orgsim.String("2"),
			"BillingStreet": orgsim.String("1 Quay"), "BillingCity": orgsim.String("Lyon"),
		})
		update(t, org, id, vals{"Phone": {}, "BillingCity": orgsim.String("Porto"), "Fax": orgsim.String("2")})
		d := lastEvent(t, org, "Account")
		wantNames(t, "changed", d.ChangedFields, "Phone", "BillingAddress.City", "LastModifiedDate")
		wantNames(t, "nulled", d.NulledFields, "Phone")
		wantBody(t, d, map[string]any{"BillingAddress.City": "Porto", "BillingAddress.Street": nil, "Name": nil, "Fax": nil, "CreatedDate": nil})
		if len(d.Body) != 3 { // the record, its city, the stamp
			t.Errorf("body %v", d.Body)
		}
		update(t, org, id, vals{"BillingCity": {}, "BillingStreet": {}})
		d = lastEvent(t, org, "Account")
		wantNames(t, "nulled", d.NulledFields, "BillingAddress.City", "BillingAddress.Street")
		if d.Body["BillingAddress"] != nil {
			t.Errorf("a compound without values is %v, want null", d.Body["BillingAddress"])
		}
		other := insert(t, org, "User", vals{"Username": orgsim.String("b@example.com"), "LastName": orgsim.String("B"), "Email": orgsim.String("b@example.com")})
		_, err := org.Transact(t.Context(), orgsim.Caller{UserID: other, API: "soap", Client: "SfdcInternalAPI/"}, func(tx *orgsim.Tx) error {
			return tx.Update(id, vals{})
		})
		if err != nil {
			t.Fatal(err)
		}
		d = lastEvent(t, org, "Account")
		wantNames(t, "changed", d.ChangedFields, "LastModifiedDate", "LastModifiedById")
		if d.ChangeOrigin != "com/salesforce/api/soap/64.0;client=SfdcInternalAPI/" || d.CommitUser != other {
			t.Errorf("header %+v", d.Header)
		}
	})
}

func TestUpdate_Switches_OtherFormsOfNulledParts(t *testing.T) {
	org := newOrg(t, orgsim.Config{Switches: orgsim.Switches{EmptyCompounds: true, NullMaskFirst: true}})
	id := insert(t, org, "Account", vals{"Name": orgsim.String("Acme"), "BillingCity": orgsim.String("Lyon")})
	update(t, org, id, vals{"BillingCity": {}})
	d := lastEvent(t, org, "Account")
	wantNames(t, "nulled", d.NulledFields, "BillingAddress.City")
	if d.Body["BillingAddress"] != "record" {
		t.Errorf("a compound without values is %v, want a record", d.Body["BillingAddress"])
	}
}

func TestUpdate_GeolocationOfCustomObject_WholeLocation(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	id := insert(t, org, "Order__c", vals{"Depot__Latitude__s": orgsim.MustDecimal("1"), "Depot__Longitude__s": orgsim.MustDecimal("2")})
	update(t, org, id, vals{"Depot__Latitude__s": orgsim.MustDecimal("3")})
	d := lastEvent(t, org, "Order__c")
	wantNames(t, "changed", d.ChangedFields, "LastModifiedDate", "Depot__c.Latitude", "Depot__c.Longitude")
	wantBody(t, d, map[string]any{"Depot__c.Latitude": 3.0, "Depot__c.Longitude": 2.0})

	account := insert(t, org, "Account", vals{"Name": orgsim.String("A"), "BillingLatitude": orgsim.MustDecimal("1"), "BillingLongitude": orgsim.MustDecimal("2")})
	update(t, org, account, vals{"BillingLatitude": orgsim.MustDecimal("3")})
	wantNames(t, "changed", lastEvent(t, org, "Account").ChangedFields, "LastModifiedDate", "BillingAddress.Latitude")
}

func TestUpdate_PersonName_PartsOfName(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	id := insert(t, org, "Contact", vals{"LastName": orgsim.String("Ito"), "FirstName": orgsim.String("Jun")})
	if name := org.Get(id).Get("Name"); name != orgsim.String("Jun Ito") {
		t.Errorf("Name = %v, want Jun Ito", name)
	}
	update(t, org, id, vals{"FirstName": {}, "LastName": orgsim.String("Abe")})
	d := lastEvent(t, org, "Contact")
	wantNames(t, "changed", d.ChangedFields, "LastModifiedDate", "Name.FirstName", "Name.LastName")
	wantNames(t, "nulled", d.NulledFields, "Name.FirstName")
	wantBody(t, d, map[string]any{"Name.LastName": "Abe"})
}

func TestUpdate_LongText_Diff(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	old, now := letterLines("\r\n", ""), letterLines("\r\n", strings.Repeat("X", 100))
	id := insert(t, org, "Account", vals{"Name": orgsim.String("A"), "Description": orgsim.String(old)})
	update(t, org, id, vals{"Description": orgsim.String(now)})
	d := lastEvent(t, org, "Account")
	wantNames(t, "diff", d.DiffFields, "Description")
	wantNames(t, "changed", d.ChangedFields, "Description", "LastModifiedDate")
	if want, _ := orgsim.TextDiff(old, now); d.Body["Description"] != want {
		t.Errorf("Description = %v", d.Body["Description"])
	}
	if org.Get(id).Get("Description") != orgsim.String(now) {
		t.Error("the row holds something else")
	}
}

func TestTransaction_SeveralStatements_OneEventARecord(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	var a, b, c string
	res := do(t, org, func(tx *orgsim.Tx) (err error) {
		if a, err = tx.Insert("Account", vals{"Name": orgsim.String("A")}); err != nil {
			return err
		}
		if _, err = tx.Insert("User", vals{"Username": orgsim.String("u@example.com"), "LastName": orgsim.String("U"), "Email": orgsim.String("u@example.com")}); err != nil {
			return err
		}
		if b, err = tx.Insert("Contact", vals{"LastName": orgsim.String("B"), "AccountId": orgsim.String(a)}); err != nil {
			return err
		}
		if c, err = tx.Insert("Account", vals{"Name": orgsim.String("never seen")}); err != nil {
			return err
		}
		return errors.Join(tx.Update(a, vals{"Phone": orgsim.String("1")}), tx.Delete(c))
	})
	all := events(t, org, "Account", "Contact", "User")
	if len(all) != 2 || res.Events != 2 || res.Changes != 3 {
		t.Fatalf("%d events, result %+v", len(all), res)
	}
	for i, want := range []struct {
		id  string
		seq int32
	}{{a, 1}, {b, 3}} {
		d := all[i]
		if d.RecordIDs[0] != want.id || d.SequenceNumber != want.seq || d.TransactionKey != res.TransactionKey || d.CommitNumber != res.CommitNumber || d.ChangeType != event.Create {
			t.Errorf("event %d: %+v, want record %s with sequence %d", i, d.Header, want.id, want.seq)
		}
	}
	wantBody(t, all[0], map[string]any{"Phone": "1", "Name": "A"})
}

func TestTransaction_EqualChanges_OneMergedEvent(t *testing.T) {
	org := newOrg(t, orgsim.Config{MaxMerged: 3, KeepLedger: -1})
	var ids []string
	for i := range 5 {
		ids = append(ids, insert(t, org, "Account", vals{"Name": orgsim.String(fmt.Sprint(i)), "Rating": orgsim.String("Cold")}))
	}
	before := len(events(t, org, "Account"))
	do(t, org, func(tx *orgsim.Tx) error {
		for i, id := range ids {
			rating := "Hot"
			if i == 1 {
				rating = "Warm"
			}
			if err := tx.Update(id, vals{"Rating": orgsim.String(rating)}); err != nil {
				return err
			}
		}
		return nil
	})
	got := events(t, org, "Account")[before:]
	want := [][]string{{ids[0], ids[2], ids[3]}, {ids[1]}, {ids[4]}}
	for i := range want {
		if i >= len(got) || !slices.Equal(got[i].RecordIDs, want[i]) || got[i].SequenceNumber != int32(i+1) {
			t.Fatalf("events %+v, want records %v", got, want)
		}
	}
	ledger := org.Ledger().Since(5)
	if len(ledger) != 5 || ledger[1].RecordID != ids[2] || ledger[1].Index != 1 || ledger[1].Merged != 3 || ledger[1].Seq != 7 {
		t.Errorf("ledger %+v", ledger)
	}
	do(t, org, func(tx *orgsim.Tx) error { return errors.Join(tx.Delete(ids[0]), tx.Delete(ids[1])) })
	if d := lastEvent(t, org, "Account"); d.ChangeType != event.Delete || !slices.Equal(d.RecordIDs, ids[:2]) || len(d.Body) != 0 {
		t.Errorf("delete: %+v", d)
	}
	do(t, org, func(tx *orgsim.Tx) error { return tx.Undelete(ids[1]) })
	d := lastEvent(t, org, "Account")
	if d.ChangeType != event.Undelete || len(d.ChangedFields) != 0 {
		t.Errorf("undelete: %+v", d)
	}
	wantBody(t, d, map[string]any{"Name": "1", "Rating": "Warm"})
	n := org.Ledger().Total()
	do(t, org, func(tx *orgsim.Tx) error { return tx.Purge(ids[0]) })
	if org.Ledger().Total() != n || org.Get(ids[0]) != nil {
		t.Error("emptying the recycle bin is no change")
	}
}

func TestTransaction_Switches_SplitSecondAndWrongHash(t *testing.T) {
	org := newOrg(t, orgsim.Config{Switches: orgsim.Switches{SplitSecond: true, WrongDiffHash: true}})
	old, now := letterLines("\n", ""), letterLines("\n", "new")
	var id string
	do(t, org, func(tx *orgsim.Tx) (err error) {
		if id, err = tx.Insert("Account", vals{"Name": orgsim.String("A"), "Description": orgsim.String(old)}); err == nil {
			_, err = tx.Insert("Account", vals{"Name": orgsim.String("B")})
		}
		return err
	})
	all := events(t, org, "Account")
	if d := all[1].CommitTimestamp - all[0].CommitTimestamp; d != 1000 {
		t.Errorf("commit timestamps differ by %d ms, want 1000", d)
	}
	update(t, org, id, vals{"Description": orgsim.String(now)})
	right, _ := orgsim.TextDiff(old, now)
	if got, ok := lastEvent(t, org, "Account").Body["Description"].(string); !ok || got == right || len(got) != len(right) || got[:9] != right[:9] || got[73:] != right[73:] {
		t.Errorf("diff\n%v\nwant another hash than in\n%s", got, right)
	}
}

func TestTransaction_EventTooLarge_Gap(t *testing.T) {
	org := newOrg(t, orgsim.Config{MaxEventBytes: 3000})
	id := insert(t, org, "Order__c", vals{"Notes__c": orgsim.String(strings.Repeat("n", 3000))})
	d := lastEvent(t, org, "Order__c")
	if d.ChangeType != event.GapCreate || d.RecordIDs[0] != id || len(d.Body) != 0 {
		t.Errorf("got %+v", d)
	}
	update(t, org, id, vals{"Notes__c": orgsim.String(strings.Repeat("m", 3000))})
	if d := lastEvent(t, org, "Order__c"); d.ChangeType != event.GapUpdate || len(d.ChangedFields) != 0 {
		t.Errorf("got %+v", d)
	}
}

func TestTransaction_TooManyChanges_OneOverflowAnObject(t *testing.T) {
	org := newOrg(t, orgsim.Config{OverflowAfter: 10})
	do(t, org, func(tx *orgsim.Tx) error {
		for i := range 12 {
			if _, err := tx.Insert("Account", vals{"Name": orgsim.String(fmt.Sprint(i))}); err != nil {
				return err
			}
		}
		for range 3 {
			if _, err := tx.Insert("Contact", vals{"LastName": orgsim.String("C")}); err != nil {
				return err
			}
		}
		return nil
	})
	all := events(t, org, "Account", "Contact")
	if len(all) != 12 {
		t.Fatalf("%d events, want 10 and an overflow for each object", len(all))
	}
	for i, object := range []string{"Account", "Contact"} {
		d := all[10+i]
		if d.ChangeType != event.GapOverflow || d.EntityName != object || !slices.Equal(d.RecordIDs, []string{event.OverflowRecordID}) {
			t.Errorf("got %+v", d.Header)
		}
	}
}

func TestEmit_OnDemand_GapOverflowWildcard(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	a, b := insert(t, org, "Account", vals{"Name": orgsim.String("A")}), insert(t, org, "Account", vals{"Name": orgsim.String("B")})
	if _, err := org.EmitGap(t.Context(), "Account", event.GapDelete, a[:15], b); err != nil {
		t.Fatal(err)
	}
	if d := lastEvent(t, org, "Account"); d.ChangeType != event.GapDelete || !slices.Equal(d.RecordIDs, []string{a, b}) {
		t.Errorf("got %+v", d.Header)
	}
	if _, err := org.EmitWildcard(t.Context(), "Account"); err != nil {
		t.Fatal(err)
	}
	if d := lastEvent(t, org, "Account"); d.ChangeType != event.Update || !slices.Equal(d.RecordIDs, []string{"001*"}) || len(d.Body) != 0 {
		t.Errorf("got %+v", d.Header)
	}
	if _, err := org.EmitOverflow(t.Context(), "Account"); err != nil {
		t.Fatal(err)
	}
	if d := lastEvent(t, org, "Account"); d.ChangeType != event.GapOverflow {
		t.Errorf("got %+v", d.Header)
	}
	for name, err := range map[string]error{
		"no ids":       second(org.EmitGap(t.Context(), "Account", event.GapUpdate)),
		"bad id":       second(org.EmitGap(t.Context(), "Account", event.GapUpdate, "001")),
		"no gap":       second(org.EmitGap(t.Context(), "Account", event.Update, a)),
		"no object":    second(org.EmitOverflow(t.Context(), "Nothing")),
		"not captured": second(org.EmitOverflow(t.Context(), "User")),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func second(_ orgsim.Result, err error) error { return err }

func TestAlterObject_WhileEventsAreStored_OldEventsKeepTheirSchema(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	id := insert(t, org, "Account", vals{"Name": orgsim.String("A")})
	update(t, org, id, vals{"Industry": orgsim.String("Energy")})
	if err := org.AlterObject("Account", func(def *orgsim.ObjectDef) {
		at := slices.IndexFunc(def.Fields, func(f *orgsim.FieldDef) bool { return f.Name == "ParentId" })
		def.Fields = slices.Insert(def.Fields, at, &orgsim.FieldDef{Name: "RecordTypeId", Type: orgsim.TypeReference, ReferenceTo: []string{"User"}})
	}); err != nil {
		t.Fatal(err)
	}
	update(t, org, id, vals{"Industry": orgsim.String("Media")})
	all := events(t, org, "Account")
	old, now := all[1], all[2]
	if old.SchemaID == now.SchemaID {
		t.Error("the schema id stays the same")
	}
	wantNames(t, "changed before", old.ChangedFields, "Industry", "LastModifiedDate")
	wantNames(t, "changed after", now.ChangedFields, "Industry", "LastModifiedDate")

	id1, _, _ := org.EventSchema("AccountChangeEvent")
	if err := org.AlterObject("Account", func(def *orgsim.ObjectDef) {
		def.Field("Website").Label = "Site"
		def.Field("Rating").ID = "00NSB0000000009"
	}); err != nil {
		t.Fatal(err)
	}
	if id2, _, _ := org.EventSchema("AccountChangeEvent"); id1 != id2 {
		t.Errorf("a change of doc alone gives schema id %s after %s", id2, id1)
	}
}

func TestUpdate_FieldBeyond64_BitmapIsLonger(t *testing.T) {
	wide := orgsim.ObjectDef{Name: "Wide__c"}
	for i := range 120 {
		wide.Fields = append(wide.Fields, &orgsim.FieldDef{Name: fmt.Sprintf("F%d__c", i), Type: orgsim.TypeString})
	}
	org := newOrg(t, orgsim.Config{Objects: []orgsim.ObjectDef{wide}})
	id := insert(t, org, "Wide__c", vals{"F119__c": orgsim.String("x")})
	update(t, org, id, vals{"F119__c": {}, "F3__c": orgsim.String("y"), "F80__c": orgsim.String("z")})
	d := lastEvent(t, org, "Wide__c")
	wantNames(t, "changed", d.ChangedFields, "F119__c", "F3__c", "F80__c", "LastModifiedDate")
	wantNames(t, "nulled", d.NulledFields, "F119__c")
}
