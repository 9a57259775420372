package writeback

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/internal/flow"
	"sfbridge/orgsim"
	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

// insert puts rows into the org, as somebody else does.
func (r *rig) insert(object string, fields ...map[string]orgsim.Value) (ids []string) {
	r.t.Helper()
	_, err := r.org.Transact(r.t.Context(), orgsim.Caller{UserID: r.somebody()}, func(tx *orgsim.Tx) error {
		for _, f := range fields {
			id, err := tx.Insert(object, f)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return ids
}

// somebody is a user who is not the integration user.
func (r *rig) somebody() string {
	r.t.Helper()
	if r.other != "" {
		return r.other
	}
	_, err := r.org.Transact(r.t.Context(), orgsim.Caller{}, func(tx *orgsim.Tx) (err error) {
		r.other, err = tx.Insert("User", map[string]orgsim.Value{"LastName": orgsim.String("Quispe"), "Username": orgsim.String("ana@acme.example"), "Email": orgsim.String("ana@acme.example")})
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return r.other
}

func (r *rig) change(user, id string, fields map[string]orgsim.Value) {
	r.t.Helper()
	if _, err := r.org.Transact(r.t.Context(), orgsim.Caller{UserID: user}, func(tx *orgsim.Tx) error { return tx.Update(id, fields) }); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) remove(ids ...string) {
	r.t.Helper()
	_, err := r.org.Transact(r.t.Context(), orgsim.Caller{}, func(tx *orgsim.Tx) error {
		for _, id := range ids {
			if err := tx.Delete(id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// resolve resolves a batch, which must go well.
func (r *rig) resolve(b *batch) map[int]verdict {
	r.t.Helper()
	out, err := r.f.resolve(r.t.Context(), b)
	if err != nil {
		r.t.Fatalf("resolve: %v", err)
	}
	return out
}

func named(name, key string) map[string]orgsim.Value {
	return map[string]orgsim.Value{"Name": orgsim.String(name), "ERP_Id__c": orgsim.String(key)}
}

var accounts = rows.Config{Object: "Account", ExternalID: "ERP_Id__c", Operation: rows.Update}

// inResolve runs a test with a flow and its org in a bubble.
func inResolve(t *testing.T, mapping rows.Config, change func(*Config), fn func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if change == nil {
			change = func(*Config) {}
		}
		fn(t, newRig(t, orgsim.Config{}, mapping, change))
	})
}

func TestResolve_UpdatesByExternalID_OneQueryForMany(t *testing.T) {
	inResolve(t, accounts, nil, func(t *testing.T, r *rig) {
		var fields []map[string]orgsim.Value
		var recs []map[string]any
		for i := range 200 {
			key := fmt.Sprintf("O'Brien \\ %d", i)
			fields, recs = append(fields, named("N", key)), append(recs, map[string]any{"ERP_Id__c": key, "Name": "M"})
		}
		ids := r.insert("Account", fields...)
		recs[7]["ERP_Id__c"] = "' OR Name != '"
		recs[8]["ERP_Id__c"] = "o'brien \\ 8" // the field takes no account of case
		b := r.batch(recs...)
		out := r.resolve(b)
		if len(out) != 1 || out[7].err == nil || out[7].err.reason != flow.NotFound || out[7].err.class != salesforce.ClassData {
			t.Errorf("verdicts %+v", out)
		}
		for i, it := range b.items {
			if i != 7 && (it.id != ids[i] || r.target.record(it)["Id"] != ids[i] || r.target.record(it)["ERP_Id__c"] != nil) {
				t.Fatalf("row %d: id %s, record %v", i, it.id, r.target.record(it))
			}
		}
		if n := r.calls("GET", "/query"); n != 2 { // one for the key that is nobody's: was its row merged?
			t.Errorf("%d queries", n)
		}
		b.items = append(b.items[:7:7], b.items[8:]...)
		if out := r.resolve(b); len(out) != 0 || r.calls("GET", "/query") != 2 {
			t.Errorf("again, with ids known: %v, %d queries", out, r.calls("GET", "/query"))
		}
	})
}

func TestResolve_SeveralRowsOfOneKey_AreNotGuessed(t *testing.T) {
	for _, op := range []rows.Operation{rows.Update, rows.Delete, rows.Undelete} {
		inResolve(t, rows.Config{Object: "Order__c", ExternalID: "Partner_Ref__c", Operation: op}, nil, func(t *testing.T, r *rig) {
			ref := func(s string) map[string]orgsim.Value {
				return map[string]orgsim.Value{"Partner_Ref__c": orgsim.String(s)}
			}
			ids := r.insert("Order__c", ref("R-1"), ref("R-1"), ref("R-2"), ref("r-2"))
			if op == rows.Undelete {
				r.remove(ids...)
			}
			b := r.batch(map[string]any{"Partner_Ref__c": "R-1"}, map[string]any{"Partner_Ref__c": "R-2"})
			out := r.resolve(b)
			if len(out) != 1 || out[0].err == nil || out[0].err.reason != flow.Ambiguous || !strings.Contains(out[0].err.text, ids[0]) || !strings.Contains(out[0].err.text, ids[1]) {
				t.Fatalf("%s: %+v", op, out[0].err)
			}
			if b.items[1].id != ids[2] {
				t.Errorf("%s: R-2 is %s, want %s, not the row of r-2", op, b.items[1].id, ids[2])
			}
		})
	}
}

func TestC22_Resolve_InsertsInDoubtAreLookedUp(t *testing.T) {
	mapping := accounts
	mapping.Operation = rows.Insert
	inResolve(t, mapping, nil, func(t *testing.T, r *rig) {
		ids := r.insert("Account", named("Made", "E-1"))
		b := r.batch(map[string]any{"ERP_Id__c": "E-1", "Name": "Made"}, map[string]any{"ERP_Id__c": "E-2", "Name": "Not"}, map[string]any{"Name": "Nobody knows"},
			map[string]any{"ERP_Id__c": "E-1", "Name": "Another"})
		for _, it := range b.items[:3] {
			it.unknown = true
		}
		out := r.resolve(b)
		if len(out) != 2 || out[0].done != flow.Created || out[0].id != ids[0] || out[0].reason == "" {
			t.Errorf("the one that was made: %+v", out)
		}
		if b.items[1].unknown {
			t.Error("the one that was not made is in doubt still")
		}
		if e := out[2].err; e == nil || e.reason != flow.UnknownOutcome || e.class != salesforce.ClassData {
			t.Errorf("the one that cannot be looked up: %+v", out[2])
		}
	})
}

func TestResolve_NothingToKnow_NoCalls(t *testing.T) {
	for _, op := range []rows.Operation{rows.Insert, rows.Upsert} {
		inResolve(t, as(op), nil, func(t *testing.T, r *rig) {
			before := len(r.org.Calls())
			b := r.batch(orders(3)...)
			b.items[0].unknown = op == rows.Upsert
			if out := r.resolve(b); len(out) != 0 || len(r.org.Calls()) != before || b.items[0].unknown {
				t.Errorf("%s: %v, %d calls", op, out, len(r.org.Calls())-before)
			}
		})
	}
}

func TestResolve_QueryThatFails_IsTheWholeCalls(t *testing.T) {
	for name, tc := range map[string]struct {
		fault orgsim.HTTPFault
		want  salesforce.Class
	}{
		"away":       {orgsim.HTTPFault{Path: "/query", Cut: true}, salesforce.ClassTransient},
		"busy":       {orgsim.HTTPFault{Path: "/query", Status: 503}, salesforce.ClassTransient},
		"limit":      {orgsim.HTTPFault{Path: "/query", Status: 403, Code: "REQUEST_LIMIT_EXCEEDED"}, salesforce.ClassLimit},
		"field gone": {orgsim.HTTPFault{Path: "/query", Status: 400, Code: "INVALID_FIELD"}, salesforce.ClassData},
	} {
		t.Run(name, func(t *testing.T) {
			inResolve(t, accounts, nil, func(t *testing.T, r *rig) {
				r.org.InjectHTTP(tc.fault)
				_, err := r.f.resolve(t.Context(), r.batch(map[string]any{"ERP_Id__c": "E-1"}))
				call, ok := errors.AsType[*callError](err)
				if !ok || call.class != tc.want || call.unknown || !strings.Contains(err.Error(), "look up rows of Account by ERP_Id__c") {
					t.Errorf("%+v", err)
				}
				tries := 1
				if tc.want == salesforce.ClassTransient {
					tries = 3
				}
				if n := r.calls("GET", "/query"); n < tries || n > tries+1 { // a connection that is cut is tried anew by net/http
					t.Errorf("%d queries, want %d", n, tries)
				}
			})
		})
	}
}

func TestResolve_QueryThatFailsOnce_IsMadeAgain(t *testing.T) {
	inResolve(t, accounts, nil, func(t *testing.T, r *rig) {
		r.insert("Account", named("N", "E-1"))
		r.org.InjectHTTP(orgsim.HTTPFault{Path: "/query", Status: 400, Code: "INVALID_QUERY_LOCATOR", Count: 2})
		if out := r.resolve(r.batch(map[string]any{"ERP_Id__c": "E-1"})); len(out) != 0 {
			t.Errorf("%+v", out)
		}
	})
}

// byStamp is a flow that yields to newer rows of others.
func byStamp(c Conflict) func(*Config) { return func(cfg *Config) { cfg.Conflict = c } }

func TestNewerWins_BySystemModstamp_YieldsToOthersAndNotToItself(t *testing.T) {
	mapping := accounts
	mapping.Operation = rows.Upsert
	inResolve(t, mapping, byStamp(NewerWins), func(t *testing.T, r *rig) {
		ids := r.insert("Account", named("Theirs", "E-1"), named("Ours", "E-2"), named("Old", "E-3"))
		time.Sleep(time.Hour)
		r.change(r.somebody(), ids[0], map[string]orgsim.Value{"Phone": orgsim.String("1")})
		r.change(r.org.IntegrationUser(), ids[1], map[string]orgsim.Value{"Phone": orgsim.String("1")})
		b := r.batch(
			map[string]any{"ERP_Id__c": "E-1", "Phone": "2"}, map[string]any{"ERP_Id__c": "E-2", "Phone": "2"},
			map[string]any{"ERP_Id__c": "E-3", "Phone": "2"}, map[string]any{"ERP_Id__c": "E-4", "Name": "New"},
		)
		for _, it := range b.items {
			it.row.Version = time.Now().Add(-30 * time.Minute).UTC().Format(time.RFC3339Nano)
		}
		out := r.resolve(b)
		if len(out) != 1 || out[0].done != flow.Skipped || out[0].reason != flow.SkipOlder || out[0].id != ids[0] {
			t.Errorf("verdicts %+v", out)
		}
		if n := r.calls("GET", "/query"); n != 1 {
			t.Errorf("%d queries", n)
		}
		r.resolve(b)
		if n := r.calls("GET", "/userinfo"); n != 1 {
			t.Errorf("asked %d times who it is", n)
		}
	})
}

func TestSkipIfChanged_ByRecordID(t *testing.T) {
	mapping := rows.Config{Object: "Account", Operation: rows.Update}
	inResolve(t, mapping, byStamp(SkipIfChanged), func(t *testing.T, r *rig) {
		ids := r.insert("Account", named("A", "E-1"), named("B", "E-2"))
		b := r.batch(map[string]any{"Id": ids[0], "Phone": "2"}, map[string]any{"Id": ids[1], "Phone": "2"}, map[string]any{"Id": "001000000000000AAA", "Phone": "2"})
		b.items[0].row.Version = time.Now().Add(-time.Minute).UTC().Format(time.RFC3339Nano)
		b.items[1].row.Version = time.Now().Add(time.Minute).UTC().Format(time.RFC3339Nano)
		if out := r.resolve(b); len(out) != 1 || out[0].reason != flow.SkipChanged || out[0].done != flow.Skipped {
			t.Errorf("verdicts %+v", out)
		}
	})
}

func TestNewerWins_OwnUserNotTold_OwnChangesCountAsChanges(t *testing.T) {
	mapping := accounts
	inResolve(t, mapping, byStamp(NewerWins), func(t *testing.T, r *rig) {
		id := r.insert("Account", named("Ours", "E-1"))[0]
		r.change(r.org.IntegrationUser(), id, map[string]orgsim.Value{"Phone": orgsim.String("1")})
		r.forbid = "/userinfo" // the token lacks the scope
		b := r.batch(map[string]any{"ERP_Id__c": "E-1", "Phone": "2"})
		b.items[0].row.Version = "1999-01-01T00:00:00.000Z"
		if out := r.resolve(b); out[0].reason != flow.SkipOlder {
			t.Errorf("verdicts %+v", out)
		}
	})
}

// mergeAway merges rows of the org, as people do.
func (r *rig) mergeAway(winner string, losers ...string) {
	r.t.Helper()
	if _, err := r.org.Merge(r.t.Context(), orgsim.Caller{}, winner, losers...); err != nil {
		r.t.Fatal(err)
	}
}

// update sends a batch of one update as the engine does, and gives its error.
func (r *rig) update(it *item) *salesforce.Error {
	r.t.Helper()
	err := r.f.cfg.API.Update(r.t.Context(), r.target.object.Name, r.target.recordID(it), r.target.record(it))
	if e, ok := errors.AsType[*salesforce.Error](err); ok {
		return e
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return nil
}

func TestC34_MergedRow_WritesGoToTheMaster(t *testing.T) {
	inResolve(t, rows.Config{Object: "Contact", Operation: rows.Update}, nil, func(t *testing.T, r *rig) {
		person := func(s string) map[string]orgsim.Value { return map[string]orgsim.Value{"LastName": orgsim.String(s)} }
		ids := r.insert("Contact", person("A"), person("B"), person("C"))
		r.mergeAway(ids[1], ids[0])
		r.mergeAway(ids[2], ids[1]) // and B into C
		b := r.batch(map[string]any{"Id": ids[0], "Phone": "1"})
		if out := r.resolve(b); len(out) != 0 {
			t.Fatalf("%+v", out)
		}
		if e := r.update(b.items[0]); e == nil || e.Code != codeDeleted {
			t.Fatalf("write to the loser: %v", e)
		}
		to, ok, err := r.f.redirect(t.Context(), b.items[0])
		if err != nil || !ok || to != ids[2] || b.items[0].id != ids[2] {
			t.Fatalf("to %s, %v, %v; want %s", to, ok, err, ids[2])
		}
		if e := r.update(b.items[0]); e != nil || r.org.Get(ids[2]).Get("Phone") != orgsim.String("1") {
			t.Errorf("first write: %v, %v", e, r.org.Get(ids[2]).Get("Phone"))
		}
		// A later one goes there at once, and not in one call with another of C.
		queries := r.calls("GET", "/queryAll")
		b = r.batch(map[string]any{"Id": ids[0], "Phone": "2"}, map[string]any{"Id": ids[2], "Phone": "3"})
		out := r.resolve(b)
		if len(out) != 1 || out[1].err == nil || !out[1].err.free || out[1].err.class != salesforce.ClassTransient {
			t.Errorf("two rows of one record: %+v", out)
		}
		if e := r.update(b.items[0]); e != nil || r.org.Get(ids[2]).Get("Phone") != orgsim.String("2") || r.calls("GET", "/queryAll") != queries {
			t.Errorf("second write: %v, %v", e, r.org.Get(ids[2]).Get("Phone"))
		}
	})
}

func TestC34_DeletedRowThatWasNotMerged_StaysDeleted(t *testing.T) {
	inResolve(t, accounts, nil, func(t *testing.T, r *rig) {
		id := r.insert("Account", named("A", "E-1"))[0]
		b := r.batch(map[string]any{"ERP_Id__c": "E-1", "Phone": "1"})
		r.resolve(b)
		r.remove(id)
		if to, ok, err := r.f.redirect(t.Context(), b.items[0]); ok || err != nil || b.items[0].id != id {
			t.Errorf("to %q, %v, %v", to, ok, err)
		}
		r.org.InjectHTTP(orgsim.HTTPFault{Path: "/queryAll", Status: 503})
		if _, _, err := r.f.redirect(t.Context(), b.items[0]); err == nil {
			t.Error("a question without an answer is no answer")
		}
	})
	inResolve(t, upsertOrders, nil, func(t *testing.T, r *rig) {
		before := len(r.org.Calls())
		if _, ok, err := r.f.redirect(t.Context(), r.batch(orders(1)...).items[0]); ok || err != nil || len(r.org.Calls()) != before {
			t.Errorf("an object that has no merges: %v, %v", ok, err)
		}
	})
}

func TestC34_UpdatesByExternalIDsOfMergedRows_FindTheMaster(t *testing.T) {
	inResolve(t, accounts, nil, func(t *testing.T, r *rig) {
		ids := r.insert("Account", named("A", "E-1"), named("B", "E-2"), named("C", "E-3"), named("D", "E-4"))
		r.mergeAway(ids[1], ids[0])
		r.remove(ids[2])
		b := r.batch(map[string]any{"ERP_Id__c": "E-1", "Phone": "1"}, map[string]any{"ERP_Id__c": "E-3", "Phone": "1"}, map[string]any{"ERP_Id__c": "E-4", "Phone": "1"},
			map[string]any{"ERP_Id__c": "E-5", "Phone": "1"})
		out := r.resolve(b)
		if len(out) != 2 || out[1].err.reason != flow.NotFound || out[3].err.reason != flow.NotFound {
			t.Errorf("verdicts %+v", out)
		}
		if b.items[0].id != ids[1] || b.items[2].id != ids[3] {
			t.Errorf("ids %s, %s", b.items[0].id, b.items[2].id)
		}
		if n := r.calls("GET", "/queryAll"); n > 3 {
			t.Errorf("%d queries for deleted rows", n)
		}
	})
}

func TestRedirect_RowMadeAnewUnderItsExternalID(t *testing.T) {
	for _, object := range []string{"Account", "Order__c"} {
		inResolve(t, rows.Config{Object: object, ExternalID: "ERP_Id__c", Operation: rows.Update}, nil, func(t *testing.T, r *rig) {
			fields := map[string]orgsim.Value{"ERP_Id__c": orgsim.String("E-1")}
			if object == "Account" {
				fields["Name"] = orgsim.String("A")
			}
			before := r.insert(object, fields)[0]
			it := r.batch(map[string]any{"ERP_Id__c": "E-1"}).items[0]
			it.id = before // as it was looked up
			r.remove(before)
			if to, ok, err := r.f.redirect(t.Context(), it); ok || err != nil {
				t.Errorf("%s: to %s, %v", object, to, err)
			}
			after := r.insert(object, fields)[0]
			if to, ok, err := r.f.redirect(t.Context(), it); !ok || err != nil || to != after || it.id != after {
				t.Errorf("%s: to %s, %v, %v; want %s", object, to, ok, err, after)
			}
		})
	}
}

func TestC34_UpsertByExternalIDOfAMergedRow_UpdatesTheMaster(t *testing.T) {
	mapping := accounts
	mapping.Operation = rows.Upsert
	inResolve(t, mapping, nil, func(t *testing.T, r *rig) {
		ids := r.insert("Account", named("A", "E-1"), named("B", "E-2"))
		r.mergeAway(ids[1], ids[0])
		it := r.batch(map[string]any{"ERP_Id__c": "E-1", "Phone": "1"}).items[0]
		row := it.row
		to, ok, err := r.f.redirect(t.Context(), it)
		if err != nil || !ok || to != ids[1] || it.row.Op != rows.Update || row.Op != rows.Upsert {
			t.Fatalf("to %s, %v, %v, %+v", to, ok, err, it.row)
		}
		if e := r.update(it); e != nil || r.org.Get(ids[1]).Get("Phone") != orgsim.String("1") || r.org.Get(ids[1]).Get("ERP_Id__c") != orgsim.String("E-2") {
			t.Errorf("%v, %v", e, r.org.Get(ids[1]).Fields())
		}
	})
}

func TestUndelete_ByExternalID_AndWhatIsAliveIsDone(t *testing.T) {
	mapping := accounts
	mapping.Operation = rows.Undelete
	inResolve(t, mapping, nil, func(t *testing.T, r *rig) {
		ids := r.insert("Account", named("A", "E-1"), named("B", "E-2"))
		r.remove(ids[0])
		b := r.batch(map[string]any{"ERP_Id__c": "E-1"}, map[string]any{"ERP_Id__c": "E-2"}, map[string]any{"ERP_Id__c": "E-3"})
		out := r.resolve(b)
		if len(out) != 2 || out[1].done != flow.Undeleted || out[1].id != ids[1] || out[2].err.reason != flow.NotFound {
			t.Fatalf("%+v", out)
		}
		b.items = b.items[:1]
		for range 2 { // the second time, the row is not in the bin
			sent, err := r.f.sendUndelete(t.Context(), b)
			if err != nil || len(sent) != 1 || sent[0].done != flow.Undeleted || sent[0].id != ids[0] || r.org.Get(ids[0]).Get("IsDeleted") != orgsim.Bool(false) {
				t.Errorf("%+v, %v", sent, err)
			}
		}
	})
}

func TestUndelete_RowThatIsGone_IsNotFound(t *testing.T) {
	inResolve(t, rows.Config{Object: "Account", Operation: rows.Undelete}, nil, func(t *testing.T, r *rig) {
		id := r.insert("Account", named("A", "E-1"))[0]
		r.remove(id)
		if _, err := r.org.Transact(t.Context(), orgsim.Caller{}, func(tx *orgsim.Tx) error { return tx.Purge(id) }); err != nil {
			t.Fatal(err)
		}
		var ids []map[string]any
		for range 250 {
			ids = append(ids, map[string]any{"Id": id})
		}
		b := r.batch(ids...)
		out, err := r.f.sendUndelete(t.Context(), b)
		if err != nil || len(out) != 250 || out[0].err == nil || out[249].err.reason != flow.NotFound || out[0].err.class != salesforce.ClassData {
			t.Errorf("%d verdicts, %v: %+v", len(out), err, out[0].err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.f.sendUndelete(ctx, b); err == nil {
			t.Error("no time is no answer")
		}
	})
}
