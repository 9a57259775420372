package writeback_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/internal/flow"
	"sfbridge/orgsim"
	"sfbridge/writeback/rows"
)

func TestFlow_RowsOfSeveralPartitions_AreWrittenAndTold(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		p := r.start(r.config())
		for i := range 10 {
			r.put(int32(i%2), order{"id": fmt.Sprint("A", i), "notes": fmt.Sprint("note ", i)})
		}
		done, _ := r.settled(10, 30*time.Second)
		for at, x := range done {
			if x.Outcome != flow.Created || x.ID == "" || x.Key == "" || x.Flow != "orders" || x.Operation != "upsert" {
				t.Errorf("%s: %+v", at, x)
			}
		}
		if rows := r.rowsOf(); len(rows) != 10 || rows["A3"].Get("Notes__c") != orgsim.String("note 3") {
			t.Errorf("rows %v", rows)
		}
		p.stop()
	})
}

// writes counts the calls of the org that write rows.
func (r *rig) writes() (n int) {
	for _, c := range r.org.Calls() {
		if c.Method[:3] != "GET" && strings.Contains(c.Method, "sobjects") {
			n++
		}
	}
	return n
}

func TestFlow_OneBadAmongMany_OnlyItIsSetAside(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		orders := make([]order, 200)
		for i := range orders {
			orders[i] = order{"id": fmt.Sprint("A", i), "notes": "n"}
		}
		r.org.SetRules(orgsim.Rules{Validation: []orgsim.ValidationRule{{
			Object: "Order__c", Message: "no such note", Field: "Notes__c", When: []orgsim.Condition{{Field: "Summary__c", Op: "=", Value: "bad"}},
		}}})
		orders[77]["summary"] = "bad"
		r.put(1, orders...)
		r.start(r.config())
		done, dead := r.settled(200, 30*time.Second)
		d, ok := dead[source+"/1/77"]
		if len(done) != 199 || !ok {
			t.Fatalf("%d results, dead letters %v", len(done), dead)
		}
		if d.Reason != flow.Validation || d.Code != "FIELD_CUSTOM_VALIDATION_EXCEPTION" || !strings.Contains(d.Message, "no such note") ||
			len(d.Fields) != 1 || d.Status != http.StatusOK || d.Key != "A77" || string(d.RecordKey) != "A77" || !strings.Contains(string(d.Value), "A77") {
			t.Errorf("letter %+v", d)
		}
		if n := r.writes(); n != 1 {
			t.Errorf("%d calls for 200 rows", n)
		}
	})
}

func TestFlow_Backlog_TakesNoMoreCallsThanItNeeds(t *testing.T) {
	for _, n := range []int{1, 200, 201, 999, 1500} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inBubble(t, orgsim.Config{REST: orgsim.RESTConfig{Latency: 80 * time.Millisecond}}, func(t *testing.T, r *rig) {
				for i := range n {
					r.put(int32(i%2), order{"id": fmt.Sprint("A", i), "notes": "n"})
				}
				p := r.start(r.config())
				r.settled(n, time.Minute)
				if got, want := r.writes(), (n+199)/200; got > want {
					t.Errorf("%d calls for %d rows, want %d at most", got, n, want)
				}
				if n := p.count("sfbridge_writeback_calls_total", "flow=orders"); n != float64(r.writes()) {
					t.Errorf("%v calls are counted, %d were made", n, r.writes())
				}
			})
		})
	}
}

func TestFlow_LargeBacklog_GoesAsOneJob(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		const n = 3000
		for p := range int32(2) {
			orders := make([]order, n/2)
			for i := range orders {
				orders[i] = order{"id": fmt.Sprint("A", p, "-", i), "notes": "n"}
			}
			r.put(p, orders...)
		}
		p := r.start(r.config())
		done, _ := r.settled(n, 5*time.Minute)
		if jobs := p.count("sfbridge_writeback_calls_total", "api=bulk"); jobs != 1 || len(r.rowsOf()) != n {
			t.Errorf("%v jobs, %d rows", jobs, len(r.rowsOf()))
		}
		for at, x := range done {
			if x.API != "bulk" || x.Job == "" || x.Outcome != flow.Created {
				t.Fatalf("%s: %+v", at, x)
			}
		}
		p.stop()
	})
}

func TestFlow_UpdatesOfOneRow_AreMergedAndEachIsTold(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		r.put(0, order{"id": "A", "notes": "one", "summary": "s"}, order{"id": "A", "notes": "two"}, order{"id": "A", "status": "Paid"})
		r.start(r.config())
		done, _ := r.settled(3, 30*time.Second)
		row := r.rowsOf()["A"]
		if row.Get("Notes__c").Text() != "two" || row.Get("Summary__c").Text() != "s" || row.Get("Status__c").Text() != "Paid" {
			t.Errorf("row %v", row.Fields())
		}
		if r.writes() != 1 {
			t.Errorf("%d calls", r.writes())
		}
		for i := range 3 {
			x := done[fmt.Sprintf("%s/0/%d", source, i)]
			if merged := x.MergedIn != nil && *x.MergedIn == 2; merged != (i < 2) || x.Outcome != flow.Created || x.ID != row.ID {
				t.Errorf("record %d: %+v", i, x)
			}
		}
	})
}

func TestFlow_MergedRowIsRefused_OnlyTheBadRecordIsSetAside(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		r.org.SetRules(orgsim.Rules{Validation: []orgsim.ValidationRule{{
			Object: "Order__c", Message: "no", When: []orgsim.Condition{{Field: "Summary__c", Op: "=", Value: "bad"}},
		}}})
		r.put(0, order{"id": "A", "notes": "one", "summary": "good"}, order{"id": "A", "summary": "bad"}, order{"id": "A", "notes": "three"})
		r.start(r.config())
		done, dead := r.settled(3, 30*time.Second)
		if _, bad := dead[source+"/0/1"]; len(done) != 2 || !bad {
			t.Fatalf("results %v, dead letters %v", done, dead)
		}
		row := r.rowsOf()["A"]
		if row.Get("Notes__c").Text() != "three" || row.Get("Summary__c").Text() != "good" {
			t.Errorf("row %v", row.Fields())
		}
	})
}

func TestC46_OperationsOfARow_KeepTheirOrder(t *testing.T) {
	inBubble(t, orgsim.Config{REST: orgsim.RESTConfig{Latency: 50 * time.Millisecond}}, func(t *testing.T, r *rig) {
		r.put(0,
			order{"op": "insert", "id": "A"}, order{"op": "insert", "id": "B"},
			order{"op": "update", "id": "A", "notes": "1"}, order{"op": "delete", "id": "A"},
			order{"op": "insert", "id": "A"}, order{"op": "update", "id": "B", "notes": "b"}, order{"op": "update", "id": "A", "notes": "2"},
		)
		r.start(r.config())
		done, dead := r.settled(7, time.Minute)
		if len(dead) > 0 {
			t.Fatalf("dead letters %+v", dead)
		}
		want := []string{flow.Created, flow.Created, flow.Updated, flow.Deleted, flow.Created, flow.Updated, flow.Updated}
		for i, w := range want {
			if x := done[fmt.Sprintf("%s/0/%d", source, i)]; x.Outcome != w {
				t.Errorf("record %d: %+v, want %s", i, x, w)
			}
		}
		rows := r.rowsOf()
		if len(rows) != 2 || rows["A"].Get("Notes__c").Text() != "2" || rows["B"].Get("Notes__c").Text() != "b" {
			t.Errorf("rows %v", rows)
		}
	})
}

func TestC22_InsertWhoseAnswerWasLost_IsMadeOnce(t *testing.T) {
	for _, many := range []int{1, 5} {
		inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
			r.org.InjectHTTP(orgsim.HTTPFault{Method: "POST", Path: "sobjects", CutAfter: true, Count: 1})
			cfg := r.config()
			cfg.Rows.Operation = rows.Insert
			for i := range many {
				r.put(0, order{"id": fmt.Sprint("A", i), "notes": "n"})
			}
			p := r.start(cfg)
			done, dead := r.settled(many, time.Minute)
			if len(r.rowsOf()) != many || len(done) != many {
				t.Errorf("%d rows, results %v, dead letters %+v", len(r.rowsOf()), done, dead)
			}
			for _, x := range done {
				if x.Outcome != flow.Created || x.ID == "" {
					t.Errorf("result %+v", x)
				}
			}
			p.stop()
		})
	}
}

func TestC22_InsertWithoutAKeyWhoseAnswerWasLost_IsSetAside(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		r.org.InjectHTTP(orgsim.HTTPFault{Method: "POST", Path: "sobjects", CutAfter: true, Count: 1})
		cfg := r.config()
		cfg.Rows.Operation, cfg.Rows.ExternalID = rows.Insert, ""
		r.put(0, order{"id": "A", "notes": "n"})
		p := r.start(cfg)
		_, dead := r.settled(1, time.Minute)
		if d := dead[source+"/0/0"]; d.Reason != flow.UnknownOutcome || r.org.Count("Order__c") != 1 {
			t.Errorf("dead letters %+v, %d rows", dead, r.org.Count("Order__c"))
		}
		p.stop()
	})
}

func TestFlow_OrgAway_RowsWaitAndAreNotCounted(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		p := r.start(r.config())
		r.put(0, order{"id": "first"})
		r.settled(1, time.Minute)
		r.org.InjectHTTP(orgsim.HTTPFault{Status: 503, HTML: true, Text: "<html>down</html>"})
		for i := range 20 {
			r.put(0, order{"id": fmt.Sprint("A", i), "notes": "n"})
		}
		time.Sleep(10 * time.Minute)
		st := p.flow.Status()
		if st.State != flow.BackingOff || st.Reason == "" || p.flow.Problem() == "" {
			t.Errorf("status %+v, problem %q", st, p.flow.Problem())
		}
		if n := p.count("sfbridge_writeback_lag_records", "partition=0"); n < 20 {
			t.Errorf("lag %v", n)
		}
		if n := p.count("sfbridge_writeback_lag_seconds"); n < 500 {
			t.Errorf("lag %v s", n)
		}
		r.org.ClearHTTP()
		done, dead := r.settled(21, 3*time.Minute)
		if len(dead) > 0 || done[source+"/0/5"].Attempts != 1 {
			t.Errorf("dead letters %v, %+v", dead, done[source+"/0/5"])
		}
		if st := p.flow.Status(); st.State != flow.Running || p.flow.Problem() != "" {
			t.Errorf("status %+v, problem %q", st, p.flow.Problem())
		}
		p.stop()
	})
}

func TestFlow_SessionLost_IsRenewedAndNothingIsSetAside(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		p := r.start(r.config())
		for i := range 5 {
			r.put(0, order{"id": fmt.Sprint("A", i)})
			r.settled(i+1, time.Minute)
			r.org.ExpireTokens()
		}
		if n := p.count("sfbridge_writeback_retries_total"); n != 0 {
			t.Errorf("%v retries", n)
		}
		p.stop()
	})
}

func TestC23_LocksOfAParent_AreTriedAgainOneAfterTheOther(t *testing.T) {
	inBubble(t, orgsim.Config{REST: orgsim.RESTConfig{Latency: 200 * time.Millisecond}}, func(t *testing.T, r *rig) {
		var parents []string
		for _, n := range []string{"one", "two"} {
			parents = append(parents, r.account(n))
		}
		if err := r.org.HoldLocks(3*time.Second, parents[0]); err != nil {
			t.Fatal(err)
		}
		for part := range int32(2) {
			orders := make([]order, 200)
			for i := range orders {
				orders[i] = order{"id": fmt.Sprint("C", part, "-", i), "account": parents[i%2]}
			}
			r.put(part, orders...)
		}
		p := r.start(r.config())
		done, dead := r.settled(400, 5*time.Minute)
		if len(done) != 400 {
			t.Fatalf("%d results, %d dead letters", len(done), len(dead))
		}
		if p.count("sfbridge_writeback_retries_total", "reason=locked") == 0 {
			t.Error("no row was tried again for a lock")
		}
		p.stop()
	})
}

func TestC23_LockThatStays_IsSetAsideAfterItsAttempts(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		parent := r.account("one")
		if err := r.org.HoldLocks(time.Hour, parent); err != nil {
			t.Fatal(err)
		}
		cfg := r.config()
		cfg.Attempts = 4
		r.put(0, order{"id": "A", "account": parent}, order{"id": "B"})
		r.start(cfg)
		done, dead := r.settled(2, 5*time.Minute)
		if d := dead[source+"/0/0"]; len(done) != 1 || d.Reason != flow.Locked || d.Attempts != 4 || d.Code != "UNABLE_TO_LOCK_ROW" {
			t.Errorf("results %v, letter %+v", done, d)
		}
	})
}

// account inserts an account and gives its id.
func (r *rig) account(name string) (id string) {
	r.t.Helper()
	_, err := r.org.Transact(r.t.Context(), orgsim.Caller{API: "rest", Client: "others"}, func(tx *orgsim.Tx) (err error) {
		id, err = tx.Insert("Account", map[string]orgsim.Value{"Name": orgsim.String(name)})
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

func TestC25_ReserveOfTheDaysCalls_IsLeftToOthers(t *testing.T) {
	inBubble(t, orgsim.Config{REST: orgsim.RESTConfig{DailyAPILimit: 100}}, func(t *testing.T, r *rig) {
		cfg := r.config()
		cfg.Consumer.SessionTimeout = 2 * time.Minute // few heartbeats in a day
		api := cfg.API
		for range 70 { // by others
			if _, err := api.Limits(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		p := r.start(cfg)
		for i := range 60 {
			r.put(0, order{"id": fmt.Sprint("A", i), "notes": "n"})
			time.Sleep(2 * time.Second)
		}
		r.settled(60, 30*time.Minute)
		if n := p.count("sfbridge_writeback_calls_total"); n > 10 {
			t.Errorf("%v calls for 60 rows while calls are scarce", n)
		}
		for range 40 { // others take what is left, up to the reserve
			if api.APIUsage().Remaining() > 10 {
				api.Limits(t.Context())
			}
		}
		r.put(0, order{"id": "late"}, order{"id": "later"})
		time.Sleep(20 * time.Minute)
		st := p.flow.Status()
		if st.State != flow.AtLimit || !strings.Contains(st.Reason, "100 API calls") || st.Until.IsZero() || !strings.Contains(p.flow.Problem(), "at limit") {
			t.Errorf("status %+v, problem %q", st, p.flow.Problem())
		}
		for _, c := range r.org.Calls() {
			if strings.HasPrefix(c.Status, "403") {
				t.Errorf("call %s was refused", c.Method)
			}
		}
		if done, _ := r.outcomes(); len(done) != 60 {
			t.Errorf("%d results, want 60", len(done))
		}
		p.stop()
	})
}

func TestC25_RefusalForTheDaysLimit_IsLookedAtAgainWithoutAStorm(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		r.org.InjectHTTP(orgsim.HTTPFault{
			Method: "PATCH", Path: "sobjects/Order__c/", Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Text: "TotalRequests Limit exceeded.", Count: 3,
		})
		p := r.start(r.config())
		r.put(0, order{"id": "A"})
		time.Sleep(time.Minute)
		if st := p.flow.Status(); st.State != flow.AtLimit || st.Until.Before(time.Now()) || p.flow.Problem() == "" {
			t.Errorf("status %+v", st)
		}
		done, _ := r.settled(1, time.Hour)
		if n := r.writes(); n != 4 || done[source+"/0/0"].Attempts != 1 {
			t.Errorf("%d calls, result %+v", n, done)
		}
		p.stop()
	})
}

func TestFlow_ConcurrentLimit_PassesInSeconds(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		r.org.InjectHTTP(orgsim.HTTPFault{
			Method: "PATCH", Path: "sobjects/Order__c/", Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Text: "ConcurrentRequests (Concurrent API Requests) Limit exceeded.", Count: 2,
		})
		p := r.start(r.config())
		r.put(0, order{"id": "A"})
		r.settled(1, 10*time.Second)
		if p.count("sfbridge_writeback_retries_total", "reason=concurrent") != 2 {
			t.Error("the refusals are not counted")
		}
	})
}

func TestFlow_UndecodableAndUnmappable_AreSetAsideWhole(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		r.putRecords(
			&kgo.Record{Topic: source, Key: []byte("k"), Value: []byte("{no json"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte{0xff}}}},
			&kgo.Record{Topic: source, Key: []byte("k2"), Value: []byte(`{"id":"B","total":"1.234,56"}`)},
			&kgo.Record{Topic: source, Key: []byte("k3"), Value: []byte(`{"id":"C","op":"explode"}`)},
			&kgo.Record{Topic: source, Key: []byte("k4"), Value: []byte(`{"id":"D","status":"Lost"}`)},
		)
		r.start(r.config())
		_, dead := r.settled(4, time.Minute)
		for i, want := range []string{flow.Undecodable, flow.BadValue, flow.BadOperation, flow.BadValue} {
			d := dead[fmt.Sprintf("%s/0/%d", source, i)]
			if d.Reason != want || d.Error == "" || d.Kind != flow.KindWriteback || d.Object != "Order__c" {
				t.Errorf("letter %d: %+v, want %s", i, d, want)
			}
		}
		d := dead[source+"/0/0"]
		if string(d.Value) != "{no json" || string(d.RecordKey) != "k" || len(d.Headers) != 1 || base64.StdEncoding.EncodeToString(d.Headers[0].Value) != "/w==" {
			t.Errorf("letter %+v", d)
		}
		for _, rec := range r.kafka.ReadCommitted(t, letters) {
			if len(rec.Headers) != 1 || rec.Headers[0].Key != flow.HeaderReason || len(rec.Headers[0].Value) == 0 {
				t.Errorf("headers %v", rec.Headers)
			}
		}
	})
}

func TestFlow_EchoesAndTombstones(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		echo := []kgo.RecordHeader{{Key: "sf_echo", Value: []byte("true")}}
		r.putRecords(
			&kgo.Record{Topic: source, Key: []byte("A"), Value: []byte(`{"id":"A","notes":"n"}`)},
			&kgo.Record{Topic: source, Key: []byte("A"), Value: []byte(`{"id":"A","notes":"echo"}`), Headers: echo},
			&kgo.Record{Topic: source, Key: []byte("A")},
			&kgo.Record{Topic: source, Key: []byte("never")},
		)
		r.start(r.config())
		done, dead := r.settled(4, time.Minute)
		for i, want := range []string{flow.Created, flow.Skipped, flow.Deleted, flow.Deleted} {
			if x := done[fmt.Sprintf("%s/0/%d", source, i)]; x.Outcome != want {
				t.Errorf("record %d: %+v, want %s; %v", i, x, want, dead)
			}
		}
		if x := done[source+"/0/1"]; x.Reason != flow.SkipEcho {
			t.Errorf("echo: %+v", x)
		}
		if len(r.rowsOf()) != 0 {
			t.Errorf("rows %v", r.rowsOf())
		}
	})
}
