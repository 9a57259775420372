package bulk_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"sfbridge/internal/pipenet"
	"sfbridge/orgsim"
	"sfbridge/salesforce"
	"sfbridge/salesforce/auth"
	"sfbridge/salesforce/bulk"
)

const (
	host = "127.0.0.1:8443"
	base = "http://" + host
	jobs = "/services/data/v64.0/jobs"
	job1 = "750KX0000000001YAA"
)

// token is a session that always has the same one.
type token struct{}

func (token) Token(context.Context) (auth.Token, error) {
	return auth.Token{AccessToken: "given-token", InstanceURL: base, OrgID: "00DKX00000000012AA"}, nil
}
func (token) Invalidate(auth.Token) {}

// serve runs a handler and returns a client of it.
func serve(t *testing.T, h http.Handler, version string, change ...func(*bulk.Config)) *bulk.Client {
	t.Helper()
	network := pipenet.New()
	l, err := network.Listen("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		return network.Dial(ctx, "tcp", addr)
	}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		<-served
	})
	api, err := salesforce.New(salesforce.Config{Session: token{}, APIVersion: version, HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := bulk.Config{API: api}
	for _, f := range change {
		f(&cfg)
	}
	c, err := bulk.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// simulate runs a whole org.
func simulate(t *testing.T, cfg orgsim.Config, change ...func(*bulk.Config)) (*orgsim.Org, *bulk.Client) {
	t.Helper()
	org, err := orgsim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	org.SetInstanceURL(base)
	org.AddToken("given-token", org.IntegrationUser())
	c := serve(t, org.HTTPHandler(), org.APIVersion(), change...)
	t.Cleanup(org.Close)
	return org, c
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func state(s bulk.State) map[string]any {
	return map[string]any{"id": job1, "object": "Account", "operation": "upsert", "state": s, "apiVersion": 64.0, "createdDate": "2026-03-02T09:15:07.000+0000"}
}

func refuse(w http.ResponseWriter, status int, code string) {
	reply(w, status, []map[string]any{{"message": "no", "errorCode": code}})
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func data(t *testing.T, s bulk.Source) string {
	t.Helper()
	r, err := s()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return readAll(t, r)
}

var epoch = time.Date(2026, 3, 2, 9, 15, 7, 0, time.UTC)
