package writeback_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sfbridge/internal/flow"
	"sfbridge/kafka"
	"sfbridge/orgsim"
	"sfbridge/writeback"
	"sfbridge/writeback/rows"
)

// backlog puts n orders into both partitions, with a note each.
func (r *rig) backlog(n int, note string) {
	for p := range int32(2) {
		var out []order
		for i := int(p); i < n; i += 2 {
			out = append(out, order{"id": fmt.Sprint("B-", i), "notes": note})
		}
		r.put(p, out...)
	}
}

// calls counts the calls that the org got.
func (r *rig) calls(method, part string) (n int) {
	for _, c := range r.org.Calls() {
		if m, path, _ := strings.Cut(c.Method, " "); m == method && strings.Contains(path, part) {
			n++
		}
	}
	return n
}

func (r *rig) wantNotes(n int, note string) {
	r.t.Helper()
	got := r.rowsOf()
	if len(got) != n {
		r.t.Errorf("%d rows, want %d", len(got), n)
	}
	for id, rec := range got {
		if rec.Get("Notes__c") != orgsim.String(note) {
			r.t.Fatalf("row %s says %v, want %s", id, rec.Get("Notes__c"), note)
		}
	}
}

func TestFlow_Backlog_GoesInOneJob(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		r.backlog(5000, "first")
		p := r.start(r.config())
		done, _ := r.settled(5000, 5*time.Minute)
		for at, x := range done {
			if x.Outcome != flow.Created || x.API != "bulk" || !strings.HasPrefix(x.Job, "750") || x.ID == "" {
				t.Fatalf("%s: %+v", at, x)
			}
		}
		r.wantNotes(5000, "first")
		if n := r.calls("POST", "/jobs/ingest"); n != 1 {
			t.Errorf("%d jobs", n)
		}
		if n := p.count("sfbridge_writeback_calls_total", "api=bulk"); n != 1 {
			t.Errorf("%v bulk calls are counted", n)
		}
		p.stop()
	})
}

func TestFlow_JobsThatFail_RowsGoByCollections(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		if err := r.org.InjectBulk(orgsim.BulkFault{Kind: "fail", Rows: -1, Text: "InvalidBatch : Field name not found : Old__c"}); err != nil {
			t.Fatal(err)
		}
		r.backlog(3000, "first")
		p := r.start(r.config())
		done, dead := r.settled(3000, 10*time.Minute)
		for at, x := range done {
			if x.API != "collections" && x.API != "rest" {
				t.Fatalf("%s: %+v", at, x)
			}
		}
		if n := r.calls("POST", "/jobs/ingest"); n != 2 || len(dead) != 0 {
			t.Errorf("%d jobs, %d dead letters", n, len(dead))
		}
		r.wantNotes(3000, "first")
		p.stop()
	})
}

func TestFlow_JobFailedHalfWay_TheRestIsSentAgain(t *testing.T) {
	for _, kind := range []string{"fail", "abort"} {
		for _, op := range []rows.Operation{rows.Upsert, rows.Insert} {
			t.Run(kind+" "+string(op), func(t *testing.T) {
				inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
					if err := r.org.InjectBulk(orgsim.BulkFault{Kind: kind, Count: 1}); err != nil {
						t.Fatal(err)
					}
					cfg := r.config()
					cfg.Rows.Operation = op
					r.backlog(4000, "first")
					p := r.start(cfg)
					done, _ := r.settled(4000, 10*time.Minute)
					for at, x := range done {
						if x.Outcome != flow.Created {
							t.Fatalf("%s: %+v", at, x)
						}
					}
					r.wantNotes(4000, "first")
					p.stop()
				})
			})
		}
	}
}

func TestFlow_WaitingForAJob_SaysSo(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		if err := r.org.InjectBulk(orgsim.BulkFault{Kind: "slow", Delay: time.Hour, Count: 1}); err != nil {
			t.Fatal(err)
		}
		r.backlog(3000, "first")
		p := r.start(r.config())
		time.Sleep(4 * time.Minute)
		if s := p.flow.Status(); !strings.Contains(s.Reason, "waiting for bulk job 750") {
			t.Errorf("status %+v", s)
		}
		start := time.Now()
		p.stop() // and does not wait for the job
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("took %v to stop", took)
		}
		q := r.start(r.config())
		r.settled(3000, 10*time.Minute)
		r.wantNotes(3000, "first")
		q.stop()
	})
}

func TestFlow_ShareMovesInTheMiddleOfAJob(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		if err := r.org.InjectBulk(orgsim.BulkFault{Kind: "slow", Delay: 3 * time.Second, Count: 1}); err != nil {
			t.Fatal(err)
		}
		r.backlog(4000, "first")
		p := r.start(r.config())
		time.Sleep(20 * time.Second)
		q := r.start(r.config()) // takes one of the partitions
		r.settled(4000, 10*time.Minute)
		r.wantNotes(4000, "first")
		p.stop()
		q.stop()
	})
}

// mortal is a configuration whose process can be taken from the world in a
// moment: whatever it does then reaches nobody.
func (r *rig) mortal() (cfg writeback.Config, kill func()) {
	r.t.Helper()
	var dead atomic.Bool
	var conns atomic.Pointer[[]net.Conn]
	conns.Store(new([]net.Conn))
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dead.Load() {
			return nil, errors.New("dead")
		}
		c, err := r.kafka.Dial(ctx, network, addr)
		if err == nil {
			for {
				old := conns.Load()
				list := append((*old)[:len(*old):len(*old)], c)
				if conns.CompareAndSwap(old, &list) {
					break
				}
			}
		}
		return c, err
	}
	web := r.web
	r.web = &http.Client{Transport: &mortalTransport{web.Transport, &dead}}
	cfg = r.config()
	r.web = web
	name := fmt.Sprint("mortal-", len(r.flows), "-", len(r.buried))
	client, err := kafka.New(kafka.Config{Brokers: r.kafka.Brokers, Dial: dial, Logger: r.log, ClientID: name})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { client.Close() })
	cfg.Kafka = client
	return cfg, func() {
		dead.Store(true)
		r.buried = append(r.buried, name)
		for _, c := range *conns.Load() {
			c.Close()
		}
	}
}

type mortalTransport struct {
	http.RoundTripper
	dead *atomic.Bool
}

func (m *mortalTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if m.dead.Load() {
		return nil, errors.New("dead")
	}
	return m.RoundTripper.RoundTrip(req)
}

func TestFlow_DiesInTheMiddleOfAJob_WhoeverComesNextEndsItFirst(t *testing.T) {
	for _, op := range []rows.Operation{rows.Upsert, rows.Insert} {
		t.Run(string(op), func(t *testing.T) {
			inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
				if err := r.org.InjectBulk(orgsim.BulkFault{Kind: "slow", Delay: 20 * time.Second, Count: 1}); err != nil {
					t.Fatal(err)
				}
				r.backlog(3000, "old")
				cfg, kill := r.mortal()
				cfg.Rows.Operation = op
				p := r.start(cfg)
				time.Sleep(90 * time.Second)
				kill()
				if n := r.org.Count("Order__c"); n == 0 || n == 3000 {
					t.Fatalf("%d rows at the time of death", n)
				}
				other := r.config()
				if op == rows.Upsert {
					r.backlog(3000, "new")
				}
				other.Rows.Operation = op
				q := r.start(other)
				if op == rows.Upsert {
					r.settled(6000, 20*time.Minute)
					time.Sleep(time.Hour) // for whatever the first job may still do
					r.wantNotes(3000, "new")
				} else {
					_, dead := r.settled(3000, 20*time.Minute)
					r.wantNotes(3000, "old")
					for at, x := range dead {
						t.Fatalf("%s: %+v", at, x)
					}
				}
				q.stop()
				p.stop()
			})
		})
	}
}
