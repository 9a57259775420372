package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/bridge"
	"sfbridge/internal/flow"
	"sfbridge/internal/sandbox"
	"sfbridge/orgsim"
	"sfbridge/writeback/rows"
)

// TestWriteback_AnyRecordsAnyFaultsAnyKills_RowsAreAsWrittenLast writes random
// records over few keys while processes die and come back and the org, Kafka
// and the network have bad moments. In the end each row is what its records say,
// each record has one outcome, and no call carried a row twice.
// SFBRIDGE_TEST_SEED runs one seed, SFBRIDGE_TEST_SEEDS so many.
func TestWriteback_AnyRecordsAnyFaultsAnyKills_RowsAreAsWrittenLast(t *testing.T) {
	first, n := seeds()
	calls := make(map[string]int)
	for seed := first; seed < first+n; seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { writeAnything(t, seed, calls) })
	}
	if n > 1 && (calls["collections"] < 10*int(n) || calls["bulk"] < int(n)) {
		t.Errorf("too few calls of many rows to tell: %v", calls)
	}
}

const anythingTopic = "erp.anything"

func writeAnything(t *testing.T, seed uint64, calls map[string]int) {
	bubble(t, orgsim.Config{Seed: seed}, func(s *system) {
		a := &anything{
			system: s, rng: rand.New(rand.NewPCG(seed, 21)), procs: make([]*running, 3),
			rows: make(map[string]map[string]string), calls: &callChecker{t: t, seen: calls},
		}
		a.produce = s.producer(anythingTopic, 3)
		defer a.produce.Close()
		for range a.procs {
			h := s.host()
			defer h.close()
			a.hosts = append(a.hosts, h)
		}
		for range 50 {
			a.step()
			a.write(a.rng.IntN(60))
			if a.rng.IntN(8) == 0 {
				a.write(200) // a backlog, for a job
			}
			time.Sleep(time.Duration(a.rng.IntN(4000)) * time.Millisecond)
		}
		a.heal()
		time.Sleep(2 * time.Minute) // the dead are forgotten
		r := s.start(a.config())
		a.settled(30 * time.Minute)
		r.stop()
		a.judge()
	})
}

// producer makes a topic and a client that writes to it.
func (s *system) producer(topic string, partitions int32) *kgo.Client {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.sb.KafkaAddr), kgo.Dialer(s.net.Dial), kgo.DefaultProduceTopic(topic))
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := kadm.NewClient(client).CreateTopic(context.Background(), partitions, 1, nil, topic); err != nil {
		s.t.Fatal(err)
	}
	return client
}

// anything is one run.
type anything struct {
	*system
	rng     *rand.Rand
	hosts   []*host
	procs   []*running
	produce *kgo.Client
	rows    map[string]map[string]string // what the rows should be, by key; a deleted row is not there
	written int
	calls   *callChecker
}

// config writes the topic back; the first records of a run go by REST and
// Collections, a backlog by Bulk.
func (a *anything) config() bridge.Config {
	cfg := a.sb.Bridge("anything")
	cfg.Logger, cfg.SessionTimeout = a.log, 10*time.Second
	cfg.Writebacks = []bridge.Writeback{{
		Topic: anythingTopic, Org: sandbox.OrgName, BulkAbove: 30, InFlight: 3,
		Attempts: 1000, // no lock lasts for so long, so none makes a dead letter
		Rows: rows.Config{
			Object: "Account", ExternalID: "ERP_Id__c", Operation: rows.Upsert, OperationFrom: "op",
			Fields: map[string]string{"ERP_Id__c": "id", "Name": "name", "Phone": "phone", "Tier__c": "tier", "Score__c": "score"},
		},
	}}
	return cfg
}

func (a *anything) step() {
	i := a.rng.IntN(len(a.procs))
	h, r := a.hosts[i], a.procs[i]
	switch {
	case r == nil:
		cfg := h.on(a.config())
		org := cfg.Orgs[sandbox.OrgName]
		client := *org.REST.HTTPClient
		client.Transport = a.calls.over(client.Transport)
		org.REST.HTTPClient = &client
		cfg.Orgs[sandbox.OrgName] = org
		a.procs[i] = a.start(cfg)
		return
	case a.rng.IntN(4) == 0:
		r.kill(h)
		a.procs[i] = nil
		return
	case a.rng.IntN(8) == 0:
		h.heal()
		r.cancel()
		<-r.done // an error says that something was left behind, which is no loss
		r.b.Close()
		a.procs[i] = nil
		return
	}
	a.trouble(h)
}

// trouble makes something go wrong for a while.
func (a *anything) trouble(h *host) {
	pause := time.Duration(1+a.rng.IntN(20)) * time.Second
	org, some := a.sb.Org, 1+a.rng.IntN(4)
	switch a.rng.IntN(11) {
	case 0:
		h.vanish()
		time.AfterFunc(pause, h.heal)
	case 1:
		h.each(h.net.Cut)
	case 2:
		a.net.Cut(a.sb.KafkaAddr)
	case 3:
		org.InjectHTTP(orgsim.HTTPFault{Path: "/sobjects", Count: some, CutAfter: true})
	case 4:
		org.InjectHTTP(orgsim.HTTPFault{Path: "/sobjects", Count: some, Cut: true})
	case 5:
		org.InjectHTTP(orgsim.HTTPFault{Count: some, Status: 503, Code: "SERVER_UNAVAILABLE"})
	case 6:
		// Shorter than the pause before a repeated call: a call that the org still has in hand after its answer was lost
		// may come behind the repeated one and behind newer ones, which nobody can see from outside (docs/delivery.md).
		org.InjectHTTP(orgsim.HTTPFault{Count: some, Delay: pause / 100})
	case 7:
		org.RevokeAll(false)
	case 8:
		a.lock(pause)
	case 9:
		kind := []string{"fail", "abort", "slow"}[a.rng.IntN(3)]
		if err := org.InjectBulk(orgsim.BulkFault{Kind: kind, Count: 1, Delay: time.Second, Text: "InternalServerError : try again"}); err != nil {
			a.t.Fatal(err)
		}
	case 10:
		org.InjectHTTP(orgsim.HTTPFault{Path: "/jobs/ingest", Count: some, CutAfter: a.rng.IntN(2) == 0, Status: 500, Code: "UNKNOWN_EXCEPTION"})
	}
}

// lock holds some rows, as somebody's long transaction does.
func (a *anything) lock(d time.Duration) {
	var ids []string
	a.sb.Org.Scan("Account", false, func(r *orgsim.Record) bool {
		if a.rng.IntN(3) == 0 {
			ids = append(ids, r.ID)
		}
		return len(ids) < 5
	})
	if len(ids) == 0 {
		return
	}
	if err := a.sb.Org.HoldLocks(d, ids...); err != nil {
		a.t.Fatal(err)
	}
}

func (a *anything) heal() {
	a.sb.Org.Heal()
	a.sb.Org.ClearHTTP()
	a.sb.Org.ClearBulk()
	a.sb.Org.ReleaseLocks()
	for i, r := range a.procs {
		a.hosts[i].heal()
		if r != nil {
			r.kill(a.hosts[i])
		}
	}
	a.net.Heal(a.sb.KafkaAddr)
}

// write produces n records and keeps account of what they mean.
func (a *anything) write(n int) {
	a.t.Helper()
	var recs []*kgo.Record
	for range n {
		recs = append(recs, a.record())
	}
	if err := a.produce.ProduceSync(context.Background(), recs...).FirstErr(); err != nil {
		a.t.Fatal(err)
	}
	a.written += n
}

// record is a random one, and what it does to the rows as they should be.
func (a *anything) record() *kgo.Record {
	key := fmt.Sprintf("K%03d", a.rng.IntN(150))
	row := a.rows[key]
	if a.rng.IntN(12) == 0 {
		delete(a.rows, key)
		return &kgo.Record{Key: []byte(key)}
	}
	if a.rng.IntN(60) == 0 {
		return &kgo.Record{Key: []byte(key), Value: []byte("{no JSON")}
	}
	doc := map[string]any{"id": key}
	next := map[string]string{"Name": fmt.Sprintf("Name %d", a.rng.IntN(1000)), "Phone": "", "Tier__c": "", "Score__c": ""}
	maps.Copy(next, row)
	op := "upsert"
	if a.rng.IntN(5) == 0 {
		op = []string{"insert", "update"}[a.rng.IntN(2)]
		doc["op"] = op
	} else {
		doc["op"] = op
	}
	good := op == "upsert" || (op == "insert") == (row == nil)
	name := fmt.Sprintf("Name %d", a.rng.IntN(1000))
	doc["name"], next["Name"] = name, name
	if a.rng.IntN(2) == 0 {
		doc["phone"], next["Phone"] = nil, ""
		if a.rng.IntN(3) > 0 {
			phone := strconv.Itoa(a.rng.IntN(100000))
			doc["phone"], next["Phone"] = phone, phone
		}
	}
	if a.rng.IntN(3) == 0 {
		doc["score"], next["Score__c"] = json.Number("12345678901234.5678"), "12345678901234.5678"
	}
	switch a.rng.IntN(10) {
	case 0:
		doc["tier"], good = "Mud", false // not in the restricted list
	case 1, 2, 3:
		tier := []string{"Bronze", "Silver", "Gold"}[a.rng.IntN(3)]
		doc["tier"], next["Tier__c"] = tier, tier
	}
	if a.rng.IntN(40) == 0 {
		doc["name"], good = strings.Repeat("x", 256), false
	}
	if good {
		a.rows[key] = next
	}
	value, _ := json.Marshal(doc)
	return &kgo.Record{Key: []byte(key), Value: value}
}

// outcomes reads what became of the records, by their place in the topic.
func (s *system) outcomes() map[string][]string {
	s.t.Helper()
	got := make(map[string][]string)
	for _, r := range s.records() {
		var o struct {
			Kind, Outcome, Reason, Error string
			Source                       flow.Source
		}
		if r.Topic != "sf.results" && r.Topic != "sf.dlq" {
			continue
		}
		if err := json.Unmarshal(r.Value, &o); err != nil {
			s.t.Fatalf("%s: %v", r.Topic, err)
		}
		at := fmt.Sprintf("%s/%d/%d", o.Source.Topic, o.Source.Partition, o.Source.Offset)
		got[at] = append(got[at], strings.TrimSpace(o.Outcome+" "+o.Reason+" "+o.Error))
	}
	return got
}

// settled waits until there are as many outcomes as records.
func (a *anything) settled(d time.Duration) {
	a.t.Helper()
	for end := time.Now().Add(d); ; time.Sleep(5 * time.Second) {
		n := len(a.outcomes())
		if n >= a.written {
			return
		}
		if time.Now().After(end) {
			a.t.Fatalf("%d of %d records have an outcome after %s", n, a.written, d)
		}
	}
}

func (a *anything) judge() {
	a.t.Helper()
	tally := make(map[string]int)
	for at, all := range a.outcomes() {
		if len(all) != 1 {
			a.t.Errorf("%s has %d outcomes: %q", at, len(all), all)
		}
		what, _, _ := strings.Cut(all[0], " ")
		tally[what]++
		if strings.Contains(all[0], "Duplicate external id") {
			a.t.Errorf("%s: %s", at, all[0])
		}
	}
	a.t.Logf("%d records: %v; calls of many rows: %v", a.written, tally, a.calls.seen)
	if a.written < 500 || tally["created"] == 0 || tally["updated"] == 0 || tally["deleted"] == 0 {
		a.t.Errorf("this tested little: %d records, %v", a.written, tally)
	}
	keys := make(map[string]bool)
	a.sb.Org.Scan("Account", false, func(r *orgsim.Record) bool {
		key := r.Get("ERP_Id__c").Text()
		want, ok := a.rows[key]
		if !ok || keys[key] {
			a.t.Errorf("row %s is there, and should not be (seen before: %v)", key, keys[key])
			return true
		}
		keys[key] = true
		for f, v := range want {
			if got := r.Get(f).String(); got != v {
				a.t.Errorf("row %s: %s is %q, want %q", key, f, got, v)
			}
		}
		return true
	})
	for key := range a.rows {
		if !keys[key] {
			a.t.Errorf("row %s is missing", key)
		}
	}
}

// callChecker looks into each call for two rows of one key.
type callChecker struct {
	t  *testing.T
	mu sync.Mutex // guards seen
	// seen counts calls by kind, so that a checker that sees nothing shows.
	seen map[string]int
}

type checkedTransport struct {
	checker *callChecker
	next    http.RoundTripper
}

func (c *callChecker) over(next http.RoundTripper) http.RoundTripper {
	return &checkedTransport{c, next}
}

func (t *checkedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil && req.Body != http.NoBody && (strings.Contains(req.URL.Path, "/composite/sobjects") || strings.HasSuffix(req.URL.Path, "/batches")) {
		body, err := io.ReadAll(req.Body)
		req.Body.Close()
		if err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		t.checker.check(req, body)
	}
	return t.next.RoundTrip(req)
}

func (c *callChecker) check(req *http.Request, body []byte) {
	kind := "collections"
	if strings.HasSuffix(req.URL.Path, "/batches") {
		kind = "bulk"
	}
	c.mu.Lock()
	c.seen[kind]++
	c.mu.Unlock()
	if req.Header.Get("Content-Encoding") == "gzip" {
		zr, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			c.t.Errorf("%s: %v", req.URL.Path, err)
			return
		}
		if body, err = io.ReadAll(zr); err != nil {
			c.t.Errorf("%s: %v", req.URL.Path, err)
			return
		}
	}
	var keys []string
	if kind == "bulk" {
		keys = csvKeys(c.t, body)
	} else {
		var in struct {
			Records []struct {
				ID  string `json:"id"`
				Ext string `json:"ERP_Id__c"`
			}
		}
		if err := json.Unmarshal(body, &in); err != nil {
			c.t.Errorf("%s: %v", req.URL.Path, err)
		}
		for _, r := range in.Records {
			keys = append(keys, r.ID+"/"+r.Ext)
		}
	}
	slices.Sort(keys)
	if n := len(keys); len(slices.Compact(keys)) != n {
		c.t.Errorf("%s %s carries a row twice", req.Method, req.URL.Path)
	}
}

func csvKeys(t *testing.T, body []byte) []string {
	table, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	if err != nil || len(table) == 0 {
		t.Errorf("CSV of a job: %v", err)
		return nil
	}
	at := slices.IndexFunc(table[0], func(name string) bool { return name == "ERP_Id__c" || name == "Id" })
	if at < 0 {
		t.Errorf("CSV of a job has no key among %q", table[0])
		return nil
	}
	var keys []string
	for _, row := range table[1:] {
		keys = append(keys, row[at])
	}
	return keys
}
