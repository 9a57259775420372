package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/bridge"
	"sfbridge/event"
	"sfbridge/internal/pipenet"
	"sfbridge/internal/sandbox"
	"sfbridge/orgsim"
	"sfbridge/pubsub"
	"sfbridge/salesforce"
	"sfbridge/salesforce/auth"
)

// host is a machine of its own in the bubble: what runs on it reaches the
// system through a network that can fail for it alone.
type host struct {
	net   *pipenet.Network
	addrs []string
	lis   []net.Listener
	wg    sync.WaitGroup
}

// host adds a machine. Its close has to be deferred.
func (s *system) host() *host {
	s.t.Helper()
	h := &host{net: pipenet.New()}
	for _, addr := range []string{
		s.sb.KafkaAddr, s.sb.PubSubAddr, strings.TrimPrefix(s.sb.OrgURL, "http://"),
		strings.TrimPrefix(s.sb.RegistryURL, "http://"),
	} {
		lis, err := h.net.Listen("tcp", addr)
		if err != nil {
			s.t.Fatal(err)
		}
		h.addrs, h.lis = append(h.addrs, addr), append(h.lis, lis)
		h.wg.Go(func() {
			for {
				near, err := lis.Accept()
				if err != nil {
					return
				}
				h.wg.Go(func() { s.forward(near, addr) })
			}
		})
	}
	return h
}

// forward carries one connection of a host to the system.
func (s *system) forward(near net.Conn, addr string) {
	defer near.Close()
	far, err := s.net.Dial(context.Background(), "tcp", addr)
	if err != nil {
		return
	}
	defer far.Close()
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		wg.Go(func() {
			io.Copy(way[0], way[1])
			near.Close()
			far.Close()
		})
	}
	wg.Wait()
}

func (h *host) each(f func(addr string)) {
	for _, addr := range h.addrs {
		f(addr)
	}
}

// vanish lets nothing through and tells nobody, like a machine that lost its
// network or its power; heal brings it back.
func (h *host) vanish() { h.each(h.net.Blackhole) }
func (h *host) heal()   { h.each(h.net.Heal) }

func (h *host) close() {
	for _, lis := range h.lis {
		lis.Close()
	}
	h.heal()
	h.each(h.net.Cut)
	h.wg.Wait()
}

// on makes a configuration reach the system from a host.
func (h *host) on(cfg bridge.Config) bridge.Config {
	web := &http.Client{Transport: salesforce.NewTransport(h.net.Dial, nil)}
	cfg.Kafka.Dial, cfg.Registry.HTTPClient = h.net.Dial, web
	oc := cfg.Orgs[sandbox.OrgName]
	oc.Auth.HTTPClient, oc.REST.HTTPClient = web, web
	oc.PubSub.Dial = func(ctx context.Context, addr string) (net.Conn, error) { return h.net.Dial(ctx, "tcp", addr) }
	cfg.Orgs = map[string]bridge.OrgConfig{sandbox.OrgName: oc}
	return cfg
}

// kill ends a process on a host as if by SIGKILL: from one moment on nothing
// that it does reaches anybody.
func (r *running) kill(h *host) {
	h.each(func(addr string) { h.net.Refuse(addr); h.net.Cut(addr) })
	r.cancel()
	<-r.done
	r.b.Close()
	h.heal()
}

// problem gives the reason that readiness shows for a part; empty for none.
func (r *running) problem(part string) string {
	for _, p := range r.b.Problems() {
		if p.Part == part {
			return p.Reason
		}
	}
	return ""
}

// page gets a page of the listener.
func (r *running) page(path string) (code int, body string) {
	w := httptest.NewRecorder()
	r.b.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

// until waits for cond and fails the test if it does not come within d.
func (s *system) until(d time.Duration, what string, cond func() bool) {
	s.t.Helper()
	for end := time.Now().Add(d); !cond(); time.Sleep(max(d/500, 10*time.Millisecond)) {
		if time.Now().After(end) {
			s.t.Fatalf("not within %s: %s", d, what)
		}
	}
}

func channelMetric(name, channel string) string {
	return fmt.Sprintf("%s{channel=%q,org=%q}", name, channel, sandbox.OrgName)
}

func part(channel string) string { return "channel:" + sandbox.OrgName + channel }

// policy sets what happens to a channel whose position has expired.
func policy(cfg *bridge.Config, channel string, p bridge.ExpiredPolicy) {
	for i := range cfg.Captures {
		if cfg.Captures[i].Channel == channel {
			cfg.Captures[i].OnExpired = p
		}
	}
}

// required are the fields that a row of an object cannot do without.
var required = map[string]map[string]orgsim.Value{
	"Account":     {"Name": orgsim.String("Acme")},
	"Contact":     {"LastName": orgsim.String("Lovelace")},
	"Opportunity": {"Name": orgsim.String("Deal"), "StageName": orgsim.String("Prospecting"), "CloseDate": orgsim.Date(20000)},
	"Order__c":    {"Status__c": orgsim.String("Draft")},
}

// insert adds a row in a transaction of its own.
func (s *system) insert(object string, more map[string]orgsim.Value) (id string) {
	s.t.Helper()
	fields := make(map[string]orgsim.Value)
	for _, set := range []map[string]orgsim.Value{required[object], more} {
		for k, v := range set {
			fields[k] = v
		}
	}
	s.transact(func(tx *orgsim.Tx) (err error) {
		id, err = tx.Insert(object, fields)
		return err
	})
	return id
}

func (s *system) update(id string, fields map[string]orgsim.Value) {
	s.t.Helper()
	s.transact(func(tx *orgsim.Tx) error { return tx.Update(id, fields) })
}

// topic gives the records of one topic, by partition and offset.
func (s *system) topic(name string) []*kgo.Record {
	s.t.Helper()
	return inTopic(s.records(), name)
}

func inTopic(records []*kgo.Record, name string) []*kgo.Record {
	var out []*kgo.Record
	for _, r := range records {
		if r.Topic == name {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *kgo.Record) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	return out
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// keys lists the keys of records in order.
func keys(records []*kgo.Record) []string {
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = string(r.Key)
	}
	return out
}

// decode reads a record as any consumer would: schema by the number in its
// frame, values by an Avro library that the bridge does not use.
func (s *system) decode(r *kgo.Record) map[string]any {
	s.t.Helper()
	if len(r.Value) < 5 || r.Value[0] != 0 {
		s.t.Fatalf("record of %s is not framed: % x", r.Topic, r.Value)
	}
	schema := s.registered(binary.BigEndian.Uint32(r.Value[1:5]))
	var v map[string]any
	if err := avro.Unmarshal(schema, r.Value[5:], &v); err != nil {
		s.t.Fatalf("decode record of %s: %v", r.Topic, err)
	}
	return v
}

func (s *system) registered(id uint32) avro.Schema {
	s.t.Helper()
	schema, err := avro.ParseBytesWithCache([]byte(s.schemaText(id)), "", &avro.SchemaCache{})
	if err != nil {
		s.t.Fatalf("schema %d: %v", id, err)
	}
	return schema
}

// schemaText asks the registry for a schema by its number.
func (s *system) schemaText(id uint32) string {
	s.t.Helper()
	resp, err := s.sb.HTTPClient().Get(fmt.Sprintf("%s/schemas/ids/%d", s.sb.RegistryURL, id))
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Schema string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("schema %d: %s %v", id, resp.Status, err)
	}
	return answer.Schema
}

// at follows names into a decoded record; unions of one named branch are
// looked through.
func at(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(map[string]any)
		if inner, ok := m["com.sforce.eventbus."+name]; ok {
			v = inner
			continue
		}
		if v = m[name]; v == nil {
			return nil
		}
		if tagged, ok := v.(map[string]any); ok && len(tagged) == 1 {
			for _, inner := range tagged {
				v = inner
			}
		}
	}
	return v
}

// texts gives an array of strings, sorted.
func texts(v any) []string {
	items, _ := v.([]any)
	out := make([]string, 0, len(items))
	for _, item := range items {
		out = append(out, fmt.Sprint(item))
	}
	slices.Sort(out)
	return out
}

// sent reads what the org has for a channel, with a client of its own, until
// the first keepalive.
func (s *system) sent(channel string) []event.Raw {
	s.t.Helper()
	oc := s.sb.Bridge("reader", channel).Orgs[sandbox.OrgName]
	session, err := auth.New(oc.Auth)
	if err != nil {
		s.t.Fatal(err)
	}
	pc := oc.PubSub
	pc.Session = session
	client, err := pubsub.New(pc)
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	sub, err := client.Subscribe(ctx, pubsub.SubscribeConfig{Channel: channel, Start: pubsub.FromEarliest()})
	if err != nil {
		s.t.Fatal(err)
	}
	defer sub.Close()
	var events []event.Raw
	for {
		batch, err := sub.Recv(ctx)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(batch.Events) == 0 {
			return events
		}
		events = append(events, batch.Events...)
	}
}

// deadLetters reads the dead-letter topic.
func (s *system) deadLetters() []bridge.DeadLetter {
	s.t.Helper()
	var out []bridge.DeadLetter
	for _, r := range s.topic("sf.dlq") {
		var d bridge.DeadLetter
		if err := json.Unmarshal(r.Value, &d); err != nil {
			s.t.Fatalf("dead letter: %v", err)
		}
		if got := header(r, "sf_replay_id"); got != d.ReplayID.String() {
			s.t.Errorf("dead letter of %s has sf_replay_id %s", d.ReplayID, got)
		}
		out = append(out, d)
	}
	return out
}

// inject arms a fault of the org.
func (s *system) inject(f orgsim.Fault) {
	s.t.Helper()
	if err := s.sb.Org.Inject(f); err != nil {
		s.t.Fatal(err)
	}
}

// logbook keeps log lines for tests that ask whether something was said.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logbook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// lines counts the lines that hold all of the words.
func (l *logbook) lines(words ...string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			n++
		}
	}
	return n
}

// hasAll fails the test for each part that a text lacks.
func hasAll(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q\nlacks %q", text, p)
		}
	}
}
