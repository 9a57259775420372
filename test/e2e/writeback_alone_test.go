package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/bridge"
	"sfbridge/orgsim"
	"sfbridge/writeback/rows"
)

// A bridge without captures has no lanes, and still does not share its flows
// with a process of another configuration.
func TestWriteback_Alone_HasNoLanes_AndRefusesAnotherConfiguration(t *testing.T) {
	bubble(t, orgsim.Config{}, func(s *system) {
		produce := s.producer("erp.customers", 3)
		defer produce.Close()
		config := func(fingerprint string) bridge.Config {
			cfg := s.sb.Bridge("alone")
			cfg.Logger, cfg.Fingerprint = s.log, fingerprint
			cfg.Writebacks = []bridge.Writeback{{Topic: "erp.customers", Org: "main", Rows: rows.Config{
				Object: "Account", ExternalID: "ERP_Id__c", Operation: rows.Upsert, Fields: map[string]string{"Name": "name"},
			}}}
			return cfg
		}
		r := s.start(config("one"))
		r.readyWithin(time.Minute)
		rec := &kgo.Record{Topic: "erp.customers", Key: []byte("E-1"), Value: []byte(`{"name":"Acme"}`)}
		if err := produce.ProduceSync(s.t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
		s.nameWithin(time.Minute, "E-1", "Acme")
		topics, err := kadm.NewClient(produce).ListTopics(s.t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range topics.Names() {
			if strings.HasSuffix(name, ".assignments") || strings.HasSuffix(name, ".checkpoints") || strings.HasSuffix(name, ".writes") {
				t.Errorf("topic %s was made, which nothing needs", name)
			}
		}
		for _, up := range []string{`sfbridge_up{part="writeback:erp.customers/main/Account"}`, `sfbridge_up{part="org:main"}`} {
			if r.metric(up) != 1 {
				t.Errorf("%s is not 1", up)
			}
		}
		other, err := bridge.New(config("two"))
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Minute)
		defer cancel()
		if err := other.Run(ctx); err == nil || !strings.Contains(err.Error(), "another configuration (fingerprint one, here two)") {
			t.Errorf("a process of another configuration ended with %v", err)
		}
		same := s.start(config("one"))
		same.readyWithin(2 * time.Minute)
		r.stop()
		rec.Value = []byte(`{"name":"Acme 2"}`)
		if err := produce.ProduceSync(s.t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
		s.nameWithin(time.Minute, "E-1", "Acme 2")
		same.stop()
	})
}
