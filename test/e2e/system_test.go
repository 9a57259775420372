// Package e2e runs the whole system (simulated org, Kafka, registry, bridge)
// inside testing/synctest bubbles over connections in memory: days pass in
// seconds, and every run of a seed is alike.
package e2e

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/bridge"
	"sfbridge/internal/pipenet"
	"sfbridge/internal/sandbox"
	"sfbridge/orgsim"
)

// system is a sandbox in a bubble.
type system struct {
	t   *testing.T
	net *pipenet.Network
	sb  *sandbox.Sandbox
	log *slog.Logger
}

var channels = []string{
	bridge.ChangeChannel("Account"), bridge.ChangeChannel("Contact"), bridge.ChangeChannel("Opportunity"),
	bridge.ChangeChannel("Order__c"), bridge.EventChannel("Shipment__e"),
}

// bubble runs fn with a system of its own.
func bubble(t *testing.T, org orgsim.Config, fn func(*system)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &system{t: t, net: pipenet.New(), log: slog.New(slog.DiscardHandler)}
		if os.Getenv("SFBRIDGE_TEST_LOG") != "" {
			s.log = slog.New(slog.NewTextHandler(os.Stderr, nil))
		}
		org.KeepLedger, org.Logger = -1, s.log
		var err error
		s.sb, err = sandbox.Start(sandbox.Config{Org: org, Listen: s.net.Listen, Dial: s.net.Dial, Logger: s.log})
		if err != nil {
			t.Fatal(err)
		}
		defer s.sb.Close()
		fn(s)
	})
}

// config is a bridge over all built-in channels.
func (s *system) config(channelNames ...string) bridge.Config {
	if len(channelNames) == 0 {
		channelNames = channels
	}
	cfg := s.sb.Bridge("e2e", channelNames...)
	cfg.Logger, cfg.Lanes = s.log, 3
	cfg.SessionTimeout = 2 * time.Minute // a heartbeat every few seconds is most of the work of a virtual week
	return cfg
}

// running is one process of the bridge.
type running struct {
	t      *testing.T
	b      *bridge.Bridge
	cancel context.CancelFunc
	done   chan error
}

func (s *system) start(cfg bridge.Config) *running {
	s.t.Helper()
	b, err := bridge.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: s.t, b: b, cancel: cancel, done: make(chan error, 1)}
	ended := make(chan struct{})
	go func() {
		r.done <- b.Run(ctx)
		close(ended)
	}()
	s.t.Cleanup(func() { // for a test that has failed on the way
		cancel()
		<-ended
		b.Close()
	})
	return r
}

// stop ends the process in order; that must succeed.
func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	if err := <-r.done; err != nil {
		r.t.Errorf("bridge ended with: %v", err)
	}
	if err := r.b.Close(); err != nil {
		r.t.Errorf("close: %v", err)
	}
}

// metric reads one sample from /metrics, such as
// sfbridge_dead_letters_total{reason="too_large"}; 0 when it is not there.
func (r *running) metric(sample string) float64 {
	r.t.Helper()
	w := httptest.NewRecorder()
	r.b.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, _ := io.ReadAll(w.Body)
	for line := range strings.Lines(string(body)) {
		if rest, ok := strings.CutPrefix(line, sample+" "); ok {
			var v float64
			fmt.Sscan(rest, &v)
			return v
		}
	}
	return 0
}

// readyWithin waits until the bridge says that it is ready.
func (r *running) readyWithin(d time.Duration) {
	r.t.Helper()
	for end := time.Now().Add(d); ; time.Sleep(50 * time.Millisecond) {
		problems := r.b.Problems()
		if len(problems) == 0 {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("not ready after %s: %v", d, problems)
		}
	}
}

func (s *system) records() []*kgo.Record {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	records, err := sandbox.ReadBack(ctx, s.sb.KafkaAddr, "sf.", s.net.Dial)
	if err != nil {
		s.t.Fatal(err)
	}
	return records
}

func capturedObject(object string) bool { return object != "User" }

func (s *system) audit() sandbox.Verdict {
	return sandbox.Audit(s.sb.Org.Ledger().Since(0), capturedObject, "sf", s.records())
}

// completeWithin waits until the topics hold every change; a change that is
// there twice, out of order or without a cause fails at the end.
func (s *system) completeWithin(d time.Duration) sandbox.Verdict {
	s.t.Helper()
	var v sandbox.Verdict
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(d / 50) {
		if v = s.audit(); v.Lost == 0 {
			break
		}
	}
	if v = s.audit(); !v.Clean() {
		s.t.Errorf("the topics do not hold what the org did: %+v\n%s", v, strings.Join(v.Examples, "\n"))
	}
	return v
}

// transact changes the org; failing is the test's fault.
func (s *system) transact(fn func(*orgsim.Tx) error) {
	s.t.Helper()
	if _, err := s.sb.Org.Transact(context.Background(), orgsim.Caller{API: "rest", Client: "e2e"}, fn); err != nil {
		s.t.Fatal(err)
	}
}

func name(text string) map[string]orgsim.Value {
	return map[string]orgsim.Value{"Name": orgsim.String(text)}
}

// accounts inserts n accounts in transactions of their own.
func (s *system) accounts(n int, prefix string) []string {
	s.t.Helper()
	ids := make([]string, n)
	for i := range ids {
		s.transact(func(tx *orgsim.Tx) (err error) {
			ids[i], err = tx.Insert("Account", name(fmt.Sprintf("%s %d", prefix, i)))
			return err
		})
	}
	return ids
}
