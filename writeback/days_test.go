package writeback_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/orgsim"
)

// watcher looks at the writes of processes on their way to the org.
type watcher struct {
	next http.RoundTripper

	mu  sync.Mutex // guards bad
	bad []string   // calls with two records of one row
}

func (w *watcher) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil && strings.Contains(req.URL.Path, "/composite/sobjects") {
		body, err := io.ReadAll(req.Body)
		req.Body.Close()
		if err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		w.check(req, body)
	}
	return w.next.RoundTrip(req)
}

func (w *watcher) check(req *http.Request, body []byte) {
	var call struct {
		Records []struct {
			Key string `json:"ERP_Id__c"`
			ID  string `json:"Id"`
		} `json:"records"`
	}
	if json.Unmarshal(body, &call) != nil {
		return
	}
	seen := map[string]bool{}
	for _, rec := range call.Records {
		k := strings.ToLower(rec.Key) + "/" + rec.ID
		if k != "/" && seen[k] {
			w.mu.Lock()
			w.bad = append(w.bad, req.Method+" "+req.URL.Path+" "+k)
			w.mu.Unlock()
		}
		seen[k] = true
	}
}

// poison breaks down over calls with a word in them, as an org does over a
// row that its automation cannot bear.
type poison struct {
	next http.RoundTripper
	word string
}

func (p *poison) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		return p.next.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	req.Body.Close()
	if err != nil {
		return nil, err
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	if !bytes.Contains(body, []byte(p.word)) {
		return p.next.RoundTrip(req)
	}
	return &http.Response{
		StatusCode: 500, Status: "500", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(`[{"errorCode":"UNKNOWN_EXCEPTION","message":"An unexpected error occurred."}]`)),
	}, nil
}

// day is a random day: what is written, what goes wrong, and what has to be
// there at the end.
type day struct {
	*rig
	rng   *rand.Rand
	rows  map[string]map[string]string // by key
	puts  int
	procs []*mortalProcess
	watch *watcher
}

type mortalProcess struct {
	*process
	kill func()
}

// write puts a few records, and keeps what they come to.
func (d *day) write(n int) {
	var recs []*kgo.Record
	for range n {
		key := fmt.Sprint("K", d.rng.IntN(14))
		o := order{"id": key, "op": "upsert"}
		switch d.rng.IntN(8) {
		case 0:
			o["op"] = "delete"
			delete(d.rows, key)
		case 1:
			key = fmt.Sprint("I", d.puts)
			o["id"], o["op"], o["notes"] = key, "insert", fmt.Sprint("n", d.puts)
			d.rows[key] = map[string]string{"Notes__c": fmt.Sprint("n", d.puts)}
		default:
			row := maps.Clone(d.rows[key])
			if row == nil {
				row = map[string]string{}
			}
			for field, name := range map[string]string{"notes": "Notes__c", "summary": "Summary__c"} {
				if d.rng.IntN(3) > 0 {
					o[field] = fmt.Sprint(field, d.puts)
					row[name] = fmt.Sprint(field, d.puts)
				}
			}
			d.rows[key] = row
		}
		value, err := json.Marshal(o)
		if err != nil {
			d.t.Fatal(err)
		}
		partition := int32(len(key)+int(key[len(key)-1])) % 2
		recs = append(recs, &kgo.Record{Topic: source, Partition: partition, Key: []byte(key), Value: value})
		d.puts++
	}
	d.putRecords(recs...)
}

// trouble lets something go wrong, or gets it right again.
func (d *day) trouble() {
	brokers := d.kafka.Brokers
	switch d.rng.IntN(9) {
	case 0:
		d.org.InjectHTTP(orgsim.HTTPFault{Status: 503, Count: 1 + d.rng.IntN(4)})
	case 1:
		d.org.InjectHTTP(orgsim.HTTPFault{Path: "sobjects", CutAfter: true, Count: 1 + d.rng.IntN(2)})
	case 2:
		d.org.InjectHTTP(orgsim.HTTPFault{Path: "sobjects", Cut: true, Count: 1})
	case 3:
		d.org.InjectHTTP(orgsim.HTTPFault{Delay: time.Duration(d.rng.IntN(3000)) * time.Millisecond, Count: 3})
	case 4:
		d.kafka.Net.Cut(brokers[d.rng.IntN(len(brokers))])
	case 5:
		d.org.ExpireTokens()
	case 6:
		var ids []string
		for _, rec := range d.rowsOf() {
			ids = append(ids, rec.ID)
		}
		if len(ids) > 0 {
			d.org.HoldLocks(time.Duration(d.rng.IntN(4000))*time.Millisecond, ids[d.rng.IntN(len(ids))])
		}
	case 7:
		d.die()
	case 8:
		if len(d.procs) < 3 {
			d.live()
		}
	}
}

// live starts a process that can be killed.
func (d *day) live() {
	cfg, kill := d.mortal()
	cfg.BulkAbove = 20
	cfg.Consumer.SessionTimeout = 10 * time.Second
	d.procs = append(d.procs, &mortalProcess{d.start(cfg), kill})
}

// die kills a process, or ends it in order.
func (d *day) die() {
	if len(d.procs) == 0 {
		return
	}
	i := d.rng.IntN(len(d.procs))
	p := d.procs[i]
	d.procs = append(d.procs[:i], d.procs[i+1:]...)
	if d.rng.IntN(2) == 0 {
		p.kill()
		p.cancel()
		return
	}
	p.stop()
}

func TestFlow_RandomDays_RowsAreAsLastWrittenAndEachRecordHasOneOutcome(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inBubble(t, orgsim.Config{REST: orgsim.RESTConfig{Latency: 60 * time.Millisecond}}, func(t *testing.T, r *rig) {
				d := &day{rig: r, rng: rand.New(rand.NewPCG(seed, 7)), rows: map[string]map[string]string{}, watch: &watcher{next: r.web.Transport}}
				r.web = &http.Client{Transport: d.watch}
				d.live()
				for range 60 {
					d.write(1 + d.rng.IntN(12))
					if d.rng.IntN(3) == 0 {
						d.trouble()
					}
					time.Sleep(time.Duration(d.rng.IntN(900)) * time.Millisecond)
				}
				r.org.ClearHTTP()
				r.org.ReleaseLocks()
				if len(d.procs) == 0 {
					d.live()
				}
				time.Sleep(time.Minute) // for sessions of the dead to end
				r.forget()
				_, dead := r.settled(d.puts, 20*time.Minute)
				for at, x := range dead {
					t.Errorf("%s is set aside: %+v", at, x)
				}
				d.compare()
				for _, p := range d.procs {
					p.stop()
				}
			})
		})
	}
}

// compare holds the org's rows against what was written.
func (d *day) compare() {
	d.t.Helper()
	have := d.rowsOf()
	for key, want := range d.rows {
		row := have[key]
		if row == nil {
			d.t.Errorf("row %s is missing", key)
			continue
		}
		for _, field := range []string{"Notes__c", "Summary__c"} {
			if got := row.Get(field).Text(); got != want[field] {
				d.t.Errorf("row %s: %s is %q, want %q", key, field, got, want[field])
			}
		}
	}
	if len(have) != len(d.rows) {
		d.t.Errorf("%d rows, want %d", len(have), len(d.rows))
	}
	d.watch.mu.Lock()
	defer d.watch.mu.Unlock()
	for _, bad := range d.watch.bad {
		d.t.Errorf("two records of one row in %s", bad)
	}
}
