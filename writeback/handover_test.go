package writeback_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/internal/flow"
	"sfbridge/orgsim"
	"sfbridge/writeback/rows"
)

func TestFlow_Shutdown_FinishesItsCallsAndCommitsThem(t *testing.T) {
	inBubble(t, orgsim.Config{REST: orgsim.RESTConfig{Latency: 5 * time.Second}}, func(t *testing.T, r *rig) {
		p := r.start(r.config())
		r.put(0, order{"id": "A"}, order{"id": "B"})
		time.Sleep(17 * time.Second) // describes take their time, too
		if r.writes() != 1 {
			t.Fatalf("%d calls", r.writes())
		}
		p.stop()
		if done, _ := r.outcomes(); len(done) != 2 {
			t.Errorf("results %v", done)
		}
		q := r.start(r.config())
		r.put(0, order{"id": "C"})
		r.settled(3, time.Minute)
		if n := r.writes(); n != 2 {
			t.Errorf("%d calls, want none repeated", n)
		}
		q.stop()
	})
}

func TestFlow_Shutdown_DoesNotWaitForEver(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		cfg := r.config()
		cfg.Drain = 3 * time.Second
		p := r.start(cfg)
		r.put(0, order{"id": "A"})
		r.settled(1, time.Minute)
		r.org.InjectHTTP(orgsim.HTTPFault{Path: "sobjects", Delay: time.Minute, Count: 1})
		r.put(0, order{"id": "B"})
		time.Sleep(5 * time.Second)
		began := time.Now()
		p.stop()
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("shutdown took %s", took)
		}
		q := r.start(r.config())
		r.settled(2, 2*time.Minute)
		q.stop()
		time.Sleep(time.Minute) // the org has the call still
	})
}

func TestFlow_Rebalance_KeepsOrderAndOutcomes(t *testing.T) {
	inBubble(t, orgsim.Config{REST: orgsim.RESTConfig{Latency: 300 * time.Millisecond}}, func(t *testing.T, r *rig) {
		p := r.start(r.config())
		var q *process
		const n = 150
		for i := range n {
			r.put(int32(i%2), order{"id": fmt.Sprint("K", i%2, "-", i/2%3), "notes": fmt.Sprint(i)})
			time.Sleep(100 * time.Millisecond)
			if i == n/2 {
				q = r.start(r.config())
			}
		}
		r.settled(n, time.Minute)
		for id, row := range r.rowsOf() {
			last := 0
			for i := range n {
				if fmt.Sprint("K", i%2, "-", i/2%3) == id {
					last = i
				}
			}
			if got := row.Get("Notes__c").Text(); got != fmt.Sprint(last) {
				t.Errorf("row %s has %s, want %d", id, got, last)
			}
		}
		if len(p.flow.Status().Partitions) != 2 || len(q.flow.Status().Partitions) != 2 { // with the one of retries
			t.Errorf("shares %v and %v", p.flow.Status().Partitions, q.flow.Status().Partitions)
		}
		p.stop()
		q.stop()
	})
}

// sleeper holds back answers of the org while the process sleeps.
type sleeper struct {
	next http.RoundTripper

	mu    sync.Mutex // guards wake
	awake chan struct{}
}

func (s *sleeper) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := s.next.RoundTrip(req)
	s.mu.Lock()
	awake := s.awake
	s.mu.Unlock()
	if awake != nil {
		<-awake
	}
	return res, err
}

func TestC41_ProcessThatSleptThroughItsSession_WritesNothingMore(t *testing.T) {
	inBubble(t, orgsim.Config{REST: orgsim.RESTConfig{Latency: 40 * time.Millisecond}}, func(t *testing.T, r *rig) {
		s := &sleeper{next: r.web.Transport}
		web := r.web
		r.web = &http.Client{Transport: s}
		first := r.config()
		r.web = web
		p := r.start(first)
		const n = 100
		for i := 1; i <= n; i++ {
			r.put(0, order{"id": "K", "notes": fmt.Sprint(i)})
			time.Sleep(50 * time.Millisecond)
			if i == 30 {
				s.mu.Lock()
				s.awake = make(chan struct{})
				s.mu.Unlock()
				for _, b := range r.kafka.Brokers { // what it would say reaches nobody
					r.kafka.Net.Blackhole(b)
				}
				time.Sleep(15 * time.Second)
				for _, b := range r.kafka.Brokers {
					r.kafka.Net.Heal(b)
				}
				q := r.start(r.config())
				defer q.stop()
			}
		}
		written := func() string { return r.rowsOf()["K"].Get("Notes__c").Text() }
		for range 50 { // the group waits for the sleeper to come back, for a while
			if time.Sleep(5 * time.Second); written() == fmt.Sprint(n) {
				break
			}
		}
		calls := r.writes()
		close(s.awake)
		if written() != fmt.Sprint(n) {
			t.Fatalf("the row has %s when the sleeper wakes", written())
		}
		time.Sleep(time.Minute)
		if written() != fmt.Sprint(n) || r.writes() != calls {
			t.Errorf("the row has %s, %d calls after the sleeper woke", written(), r.writes()-calls)
		}
		r.settled(n, time.Minute)
		p.stop()
	})
}

func TestFlow_InsertsMadeBeforeAHandOver_AreNotMadeAgain(t *testing.T) {
	for _, key := range []string{"", "ERP_Id__c"} {
		t.Run("key "+key, func(t *testing.T) {
			inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
				parent := r.account("locked")
				if err := r.org.HoldLocks(time.Hour, parent); err != nil {
					t.Fatal(err)
				}
				cfg := r.config()
				cfg.Rows.Operation, cfg.Rows.ExternalID = rows.Insert, key
				if key == "" {
					delete(cfg.Rows.Fields, "ERP_Id__c")
				}
				p := r.start(cfg)
				// The first record holds up the commit of the others.
				r.put(0, order{"id": "A", "account": parent, "notes": "A"}, order{"id": "B", "notes": "B"}, order{"id": "C", "notes": "C"})
				time.Sleep(5 * time.Second)
				r.put(0, order{"id": "D", "notes": "D"})
				time.Sleep(5 * time.Second)
				p.stop()
				if done, _ := r.outcomes(); len(done) != 0 || r.org.Count("Order__c") != 3 {
					t.Fatalf("results %v, %d rows", done, r.org.Count("Order__c"))
				}
				r.org.ReleaseLocks()
				cfg2 := r.config()
				cfg2.Rows = cfg.Rows
				q := r.start(cfg2)
				done, dead := r.settled(4, time.Minute)
				var notes []string
				r.org.Scan("Order__c", false, func(rec *orgsim.Record) bool {
					notes = append(notes, rec.Get("Notes__c").Text())
					return true
				})
				slices.Sort(notes)
				if fmt.Sprint(notes) != "[A B C D]" || len(done) != 4 {
					t.Errorf("rows %v, results %v, dead letters %+v", notes, done, dead)
				}
				q.stop()
			})
		})
	}
}

func TestFlow_DiesWhileInserting_RowsWithoutAKeyAreSetAsideAndNeverTwice(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		cfg, kill := r.mortal()
		cfg.Rows.Operation, cfg.Rows.ExternalID = rows.Insert, ""
		p := r.start(cfg)
		r.put(0, order{"id": "A"})
		r.settled(1, time.Minute)
		r.org.InjectHTTP(orgsim.HTTPFault{Method: "POST", Path: "sobjects", Delay: 2 * time.Second, Count: 1})
		r.put(0, order{"id": "B"})
		time.Sleep(time.Second)
		kill() // the call is on its way and will be made
		p.cancel()
		time.Sleep(time.Minute)
		r.forget()
		cfg2 := r.config()
		cfg2.Rows = cfg.Rows
		q := r.start(cfg2)
		_, dead := r.settled(2, time.Minute)
		if d := dead[source+"/0/1"]; d.Reason != flow.UnknownOutcome || r.org.Count("Order__c") != 2 {
			t.Errorf("dead letters %+v, %d rows", dead, r.org.Count("Order__c"))
		}
		q.stop()
	})
}

// retry puts a record into the retry topic, as dlq retry does.
func (r *rig) retry(partition int32, of int64, key, value string, force bool) {
	r.t.Helper()
	rec := &kgo.Record{Topic: retries, Partition: partition, Key: []byte(key), Value: []byte(value), Headers: []kgo.RecordHeader{
		{Key: flow.HeaderRetryOf, Value: fmt.Appendf(nil, "%s/%d/%d", source, partition, of)},
	}}
	if force {
		rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: "sf_retry_force", Value: []byte("true")})
	}
	r.putRecords(rec)
}

func TestFlow_RetriedRecord_DoesNotUndoANewerOne(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		r.put(0, order{"id": "A", "status": "Lost"}, order{"id": "B", "status": "Lost"}, order{"id": "A", "notes": "newer"}, order{"id": "C"})
		p := r.start(r.config())
		if _, dead := r.settled(4, time.Minute); len(dead) != 2 {
			t.Fatalf("dead letters %v", dead)
		}
		r.retry(0, 0, "A", `{"id":"A","notes":"older"}`, false)
		r.retry(0, 1, "B", `{"id":"B","notes":"retried"}`, false)
		done, _ := r.settled(6, time.Minute)
		a, b := done[retries+"/0/0"], done[retries+"/0/1"]
		if a.Outcome != flow.Skipped || a.Reason != flow.SkipSuperseded || a.RetryOf != source+"/0/0" {
			t.Errorf("A: %+v", a)
		}
		if b.Outcome != flow.Created || b.RetryOf != source+"/0/1" {
			t.Errorf("B: %+v", b)
		}
		r.retry(0, 0, "A", `{"id":"A","notes":"forced"}`, true)
		r.settled(7, time.Minute)
		if got := r.rowsOf()["A"].Get("Notes__c").Text(); got != "forced" {
			t.Errorf("notes %q", got)
		}
		p.stop()
	})
}

func TestC28_FieldIsRenamed_OtherFieldsGoOn(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		cfg := r.config()
		cfg.Rows.Fields["Email__c"] = "email"
		p := r.start(cfg)
		r.put(0, order{"id": "A", "email": "a@example.com"})
		r.settled(1, time.Minute)
		time.Sleep(time.Minute)
		err := r.org.AlterObject("Order__c", func(o *orgsim.ObjectDef) {
			for _, f := range o.Fields {
				if f.Name == "Email__c" {
					f.Name = "Mail__c"
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		r.put(0, order{"id": "B", "email": "b@example.com", "notes": "n"}, order{"id": "C", "notes": "n"}, order{"id": "D", "email": "d@example.com"})
		done, dead := r.settled(4, time.Minute)
		for _, at := range []string{"/0/1", "/0/3"} {
			if d := dead[source+at]; d.Reason != flow.UnknownField || len(d.Fields) != 1 || d.Fields[0] != "Email__c" {
				t.Errorf("letter %+v", d)
			}
		}
		if done[source+"/0/2"].Outcome != flow.Created {
			t.Errorf("results %+v", done)
		}
		calls := r.writes()
		r.put(0, order{"id": "E", "email": "e@example.com"})
		if _, dead := r.settled(5, time.Minute); dead[source+"/0/4"].Reason != flow.UnknownField || r.writes() != calls {
			t.Errorf("a field that is known to be gone was sent again")
		}
		p.stop()
	})
}

func TestC28_UnmappedFieldIsRemoved_RecordsAreMappedAnew(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		cfg := r.config()
		cfg.Rows.Fields, cfg.Rows.IgnoreUnmapped, cfg.Rows.OperationFrom = nil, true, ""
		p := r.start(cfg)
		put := func(id string) {
			r.put(0, order{"ERP_Id__c": id, "id": id, "Email__c": "a@example.com", "Notes__c": "n"})
		}
		put("A")
		r.settled(1, time.Minute)
		time.Sleep(time.Minute)
		err := r.org.AlterObject("Order__c", func(o *orgsim.ObjectDef) {
			o.Fields = slices.DeleteFunc(o.Fields, func(f *orgsim.FieldDef) bool { return f.Name == "Email__c" })
		})
		if err != nil {
			t.Fatal(err)
		}
		put("B")
		put("C")
		done, dead := r.settled(3, time.Minute)
		if len(done) != 3 || r.rowsOf()["C"].Get("Notes__c").Text() != "n" {
			t.Errorf("dead letters %+v", dead)
		}
		p.stop()
	})
}
