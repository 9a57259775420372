//go:build integration

package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/bridge"
	"sfbridge/internal/sandbox"
	"sfbridge/orgsim"
)

// realSystem is a simulated org on sockets with a Kafka and a registry that
// nobody here wrote. Topics carry a prefix of their own.
type realSystem struct {
	*system
	prefix string
}

func newReal(t *testing.T, kafka, registry string, org orgsim.Config) *realSystem {
	t.Helper()
	s := &realSystem{system: &system{t: t, log: slog.New(slog.DiscardHandler)}, prefix: fmt.Sprintf("e2e%x", time.Now().UnixNano())}
	if os.Getenv("SFBRIDGE_TEST_LOG") != "" {
		s.log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	org.KeepLedger, org.Logger, org.Keepalive = -1, s.log, 2*time.Second
	var err error
	s.sb, err = sandbox.Start(sandbox.Config{Org: org, KafkaAddr: kafka, RegistryURL: registry})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.sb.Close() })
	return s
}

func (s *realSystem) config() bridge.Config {
	cfg := s.sb.Bridge(s.prefix, channels...)
	cfg.Logger, cfg.Lanes, cfg.Topics.Prefix = s.log, 3, s.prefix
	return cfg
}

// readBack reads all topics of the prefix by franz-go, committed records only.
func (s *realSystem) readBack() []*kgo.Record {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	records, err := sandbox.ReadBack(ctx, s.sb.KafkaAddr, s.prefix+".", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return records
}

// complete waits until the topics hold what the org did, and fails the test if
// they hold more, or in another order.
func (s *realSystem) complete(d time.Duration) ([]*kgo.Record, sandbox.Verdict) {
	s.t.Helper()
	for end := time.Now().Add(d); ; time.Sleep(500 * time.Millisecond) {
		records := s.readBack()
		v := sandbox.Audit(s.sb.Org.Ledger().Since(0), capturedObject, s.prefix, records)
		if v.Lost > 0 && time.Now().Before(end) {
			continue
		}
		if !v.Clean() || v.SetAside > 0 {
			s.t.Errorf("the topics do not hold what the org did: %+v\n%s", v, strings.Join(v.Examples, "\n"))
		}
		return records, v
	}
}

// writeAll puts data into a file as far as there is room.
func writeAll(path string, data []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		if _, err := f.Write(data); err != nil {
			return err
		}
	}
}
