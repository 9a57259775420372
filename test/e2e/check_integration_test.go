//go:build integration

package e2e

import (
	"context"
	"testing"

	"sfbridge/bridge"
	"sfbridge/internal/sandbox"
	"sfbridge/test/rig"
)

// A cluster that nobody has used yet has no coordinators: it makes their topics
// when it is first asked for one, and says meanwhile that there is none.
func TestCheck_FreshCluster_AllWell(t *testing.T) {
	broker := rig.StartBroker(t, t.TempDir())
	sb, err := sandbox.Start(sandbox.Config{KafkaAddr: broker.Addr})
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Close()
	b, err := bridge.New(sb.Bridge("fresh", bridge.ChangeChannel("Account")))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	lines := 0
	b.Check(context.Background(), func(f bridge.Finding) {
		lines++
		if f.Err != nil {
			t.Errorf("%s %s: %v", f.Part, f.What, f.Err)
		}
	})
	if lines < 8 {
		t.Errorf("%d lines, want one for each side and channel", lines)
	}
}
