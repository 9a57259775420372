package writeback_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"sfbridge/internal/flow"
	"sfbridge/orgsim"
	"sfbridge/writeback"
	"sfbridge/writeback/rows"
)

// byID is a flow of updates to a row of an object by record ids.
func (r *rig) byID(object string) writeback.Config {
	cfg := r.config()
	cfg.Rows = rows.Config{Object: object, Operation: rows.Update, OperationFrom: "op", Fields: map[string]string{"Id": "id", "Phone": "phone"}}
	return cfg
}

// change changes a row as somebody else.
func (r *rig) change(user, id string, fields map[string]orgsim.Value) {
	r.t.Helper()
	if _, err := r.org.Transact(r.t.Context(), orgsim.Caller{UserID: user}, func(tx *orgsim.Tx) error { return tx.Update(id, fields) }); err != nil {
		r.t.Fatal(err)
	}
}

// insert puts rows into the org.
func (r *rig) insert(object string, all ...map[string]orgsim.Value) (ids []string) {
	r.t.Helper()
	_, err := r.org.Transact(r.t.Context(), orgsim.Caller{}, func(tx *orgsim.Tx) error {
		for _, fields := range all {
			id, err := tx.Insert(object, fields)
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

func lastName(s string) map[string]orgsim.Value {
	return map[string]orgsim.Value{"LastName": orgsim.String(s)}
}

func TestC34_Flow_BothWritesToAMergedContactReachTheMaster(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		ids := r.insert("Contact", lastName("A"), lastName("B"), lastName("C"))
		a, b, c := ids[0], ids[1], ids[2]
		if _, err := r.org.Merge(t.Context(), orgsim.Caller{}, b, a); err != nil {
			t.Fatal(err)
		}
		if _, err := r.org.Transact(t.Context(), orgsim.Caller{}, func(tx *orgsim.Tx) error { return tx.Delete(c) }); err != nil {
			t.Fatal(err)
		}
		p := r.start(r.byID("Contact"))
		r.put(0, order{"id": a, "phone": "1"})
		done, _ := r.settled(1, time.Minute)
		if x := done[source+"/0/0"]; x.Outcome != flow.Updated || x.ID != b || r.org.Get(b).Get("Phone") != orgsim.String("1") {
			t.Errorf("first write: %+v, phone %v", x, r.org.Get(b).Get("Phone"))
		}
		r.put(0, order{"id": a, "phone": "2"}, order{"id": c, "phone": "3"})
		done, dead := r.settled(3, time.Minute)
		if x := done[source+"/0/1"]; x.Outcome != flow.Updated || x.ID != b || r.org.Get(b).Get("Phone") != orgsim.String("2") {
			t.Errorf("second write: %+v, phone %v", x, r.org.Get(b).Get("Phone"))
		}
		if x := dead[source+"/0/2"]; x.Reason != flow.RowDeleted || x.Code != "ENTITY_IS_DELETED" {
			t.Errorf("a row that was only deleted: %+v", x)
		}
		// To delete the loser is not to delete the master.
		r.put(0, order{"id": a, "op": "delete"})
		done, _ = r.settled(4, time.Minute)
		if x := done[source+"/0/3"]; x.Outcome != flow.Deleted || r.org.Get(b).Get("IsDeleted") != orgsim.Bool(false) {
			t.Errorf("delete: %+v", x)
		}
		p.stop()
	})
}

func TestFlow_NewerWins_YieldsToOthersOnly(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		user := r.insert("User", map[string]orgsim.Value{
			"LastName": orgsim.String("Quispe"), "Username": orgsim.String("ana@acme.example"), "Email": orgsim.String("ana@acme.example"),
		})[0]
		ids := r.insert("Contact", lastName("A"), lastName("B"))
		cfg := r.byID("Contact")
		cfg.Conflict = writeback.NewerWins
		for i := range 20 { // they wait in Kafka: each is older than the write of the one before
			r.put(0, order{"id": ids[0], "phone": fmt.Sprint(i)})
			time.Sleep(time.Second)
		}
		r.put(1, order{"id": ids[1], "phone": "old"})
		time.Sleep(time.Minute)
		r.change(user, ids[1], map[string]orgsim.Value{"Phone": orgsim.String("theirs")})
		time.Sleep(time.Minute)
		p := r.start(cfg)
		done, dead := r.settled(21, 2*time.Minute)
		if len(dead) != 0 {
			t.Errorf("dead letters %v", dead)
		}
		for i := range 20 {
			if x := done[fmt.Sprintf("%s/0/%d", source, i)]; x.Outcome != flow.Updated {
				t.Errorf("record %d: %+v", i, x)
			}
		}
		if x := done[source+"/1/0"]; x.Outcome != flow.Skipped || x.Reason != flow.SkipOlder {
			t.Errorf("older than theirs: %+v", x)
		}
		r.put(0, order{"id": ids[0], "phone": "after"})
		r.put(1, order{"id": ids[1], "phone": "newer"})
		r.settled(23, time.Minute)
		for i, want := range []string{"after", "newer"} {
			if got := r.org.Get(ids[i]).Get("Phone"); got != orgsim.String(want) {
				t.Errorf("row %d says %v, want %s", i, got, want)
			}
		}
		p.stop()
	})
}

func TestFlow_SkipIfChanged_ByAFieldOfOnesOwn(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		ids := r.insert("Order__c", map[string]orgsim.Value{"ERP_Id__c": orgsim.String("E-1"), "Total__c": orgsim.MustDecimal("7")})
		cfg := r.config()
		cfg.Conflict, cfg.VersionField, cfg.Rows.Version = writeback.SkipIfChanged, "Total__c", "total"
		p := r.start(cfg)
		for i, tc := range []struct {
			total   string
			outcome string
		}{{"6.99", flow.Skipped}, {"7", flow.Updated}, {"7.01", flow.Updated}, {"7.00", flow.Skipped}} {
			r.put(0, order{"id": "E-1", "total": json.Number(tc.total), "notes": tc.total})
			done, _ := r.settled(i+1, time.Minute)
			if x := done[fmt.Sprintf("%s/0/%d", source, i)]; x.Outcome != tc.outcome || x.ID != ids[0] {
				t.Errorf("version %s: %+v, want %s", tc.total, x, tc.outcome)
			}
		}
		p.stop()
	})
}
