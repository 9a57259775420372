package writeback

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"sfbridge/internal/expression"
	"sfbridge/internal/pipenet"
	"sfbridge/orgsim"
	"sfbridge/salesforce"
	"sfbridge/salesforce/auth"
	"sfbridge/salesforce/bulk"
	"sfbridge/writeback/rows"
)

const rigHost, rigBase = "127.0.0.1:8443", "http://127.0.0.1:8443"

// rig is a flow without its engine, and an org in the bubble.
type rig struct {
	t      *testing.T
	org    *orgsim.Org
	f      *Flow
	notes  *jobBook
	other  string // id of a user who is not the flow's
	target *target
	forbid string // path that a gateway in front of the org lets nobody go
}

// RoundTrip is the gateway in front of the org.
func (g *gateway) RoundTrip(req *http.Request) (*http.Response, error) {
	if g.r.forbid != "" && strings.Contains(req.URL.Path, g.r.forbid) {
		return &http.Response{StatusCode: http.StatusForbidden, Body: http.NoBody, Header: http.Header{}, Request: req}, nil
	}
	return g.Transport.RoundTrip(req)
}

type gateway struct {
	*http.Transport
	r *rig
}

// rigSession logs in anew when its token is not taken.
type rigSession struct {
	mu  sync.Mutex
	org *orgsim.Org
	n   int
}

func (s *rigSession) Token(context.Context) (auth.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == 0 {
		s.renew()
	}
	return auth.Token{AccessToken: s.name(), InstanceURL: rigBase, OrgID: s.org.OrgID(), UserID: s.org.IntegrationUser()}, nil
}

func (s *rigSession) name() auth.Secret { return auth.Secret(fmt.Sprint("token-", s.n)) }

func (s *rigSession) renew() {
	s.n++
	s.org.AddToken(string(s.name()), s.org.IntegrationUser())
}

func (s *rigSession) Invalidate(tok auth.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if tok.AccessToken == s.name() {
		s.renew()
	}
}

// jobBook remembers notes.
type jobBook struct {
	mu    sync.Mutex
	began []string
	open  []string
	fail  error
}

func (b *jobBook) jobBegins(_ context.Context, id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	b.began, b.open = append(b.began, id), append(b.open, id)
	return nil
}

func (b *jobBook) jobEnded(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = slices.DeleteFunc(b.open, func(s string) bool { return s == id })
}

func newRig(t *testing.T, in orgsim.Config, mapping rows.Config, change ...func(*Config)) *rig {
	t.Helper()
	org, err := orgsim.New(in)
	if err != nil {
		t.Fatal(err)
	}
	org.SetInstanceURL(rigBase)
	network := pipenet.New()
	l, err := network.Listen("tcp", rigHost)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: org.HTTPHandler()}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return network.Dial(ctx, "tcp", addr) }}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		org.Close()
		_ = server.Close()
		<-served
	})
	r := &rig{t: t, org: org, notes: &jobBook{}}
	api, err := salesforce.New(salesforce.Config{
		Session: &rigSession{org: org}, APIVersion: org.APIVersion(), HTTPClient: &http.Client{Transport: &gateway{transport, r}}, Attempts: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := bulk.New(bulk.Config{API: api})
	if err != nil {
		t.Fatal(err)
	}
	r.f = &Flow{cfg: Config{Rows: mapping, API: api, Bulk: jobs}, log: slog.New(slog.DiscardHandler)}
	for _, fn := range change {
		fn(&r.f.cfg)
	}
	object, err := api.Describe(t.Context(), mapping.Object)
	if err != nil {
		t.Fatal(err)
	}
	mapper, err := rows.New(mapping, object)
	if err != nil {
		t.Fatal(err)
	}
	r.target = &target{mapper: mapper, object: object}
	r.f.target.Store(r.target)
	return r
}

// batch maps records to a batch.
func (r *rig) batch(recs ...map[string]any) *batch {
	r.t.Helper()
	b := &batch{target: r.target, api: apiBulk}
	for _, rec := range recs {
		row, err := r.target.mapper.Row(&expression.Input{Value: rec, Timestamp: 1_772_442_907_123})
		if err != nil {
			r.t.Fatalf("%v: %v", rec, err)
		}
		b.op = row.Op
		b.items = append(b.items, &item{target: r.target, row: row})
	}
	return b
}

// send resolves a batch and sends it in a job.
func (r *rig) send(b *batch) []verdict {
	r.t.Helper()
	out, err := r.f.sendBulk(r.t.Context(), b, r.notes)
	if err != nil {
		r.t.Fatalf("send: %v", err)
	}
	if len(out) != len(b.items) {
		r.t.Fatalf("%d verdicts on %d items", len(out), len(b.items))
	}
	for i, v := range out {
		if (v.done == "") == (v.err == nil) {
			r.t.Fatalf("verdict %d is not one: %+v", i, v)
		}
	}
	return out
}

// tally counts verdicts by what they say.
func tally(out []verdict) map[string]int {
	n := map[string]int{}
	for _, v := range out {
		switch {
		case v.err == nil:
			n[v.done]++
		case v.err.free && v.err.class == salesforce.ClassTransient:
			n["free"]++
		case v.err.class == salesforce.ClassTransient:
			n["again"]++
		default:
			n[v.err.reason]++
		}
	}
	return n
}

func (r *rig) wantTally(out []verdict, want map[string]int) {
	r.t.Helper()
	if got := tally(out); fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Errorf("verdicts %v, want %v", got, want)
	}
}

// row finds the one row of an external id.
func (r *rig) row(field string, key orgsim.Value) *orgsim.Record {
	r.t.Helper()
	rs := r.org.FindByExternalID(r.target.object.Name, field, key)
	if len(rs) != 1 {
		r.t.Fatalf("%d rows of %s %v", len(rs), field, key)
	}
	return rs[0]
}

// calls are the calls that the org got, by method and what the path has in it.
func (r *rig) calls(method, part string) (n int) {
	for _, c := range r.org.Calls() {
		if m, path, _ := strings.Cut(c.Method, " "); m == method && strings.Contains(path, part) {
			n++
		}
	}
	return n
}

// orders are records of the ERP system.
func orders(n int) []map[string]any {
	out := make([]map[string]any, n)
	for i := range out {
		out[i] = map[string]any{"ERP_Id__c": fmt.Sprint("E-", i), "Status__c": "Placed"}
	}
	return out
}

var upsertOrders = rows.Config{Object: "Order__c", ExternalID: "ERP_Id__c", Operation: rows.Upsert}

// as is upsertOrders with another operation.
func as(op rows.Operation) rows.Config {
	c := upsertOrders
	c.Operation = op
	return c
}
