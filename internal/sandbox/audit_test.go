package sandbox_test

import (
	"encoding/json"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/bridge"
	"sfbridge/event"
	"sfbridge/internal/sandbox"
	"sfbridge/orgsim"
)

func made(record, uuid string) orgsim.LedgerEntry {
	return orgsim.LedgerEntry{Object: "Account", RecordID: record, UUID: uuid, ChangeType: event.Update}
}

func read(record, uuid string) *kgo.Record {
	return &kgo.Record{Topic: "sf.cdc.Account", Key: []byte(record), Headers: []kgo.RecordHeader{{Key: "ce_id", Value: []byte(uuid)}}}
}

func aside(uuid string) *kgo.Record {
	value, _ := json.Marshal(bridge.DeadLetter{EventUUID: uuid})
	return &kgo.Record{Topic: "sf.dlq", Value: value}
}

func TestAudit_FindsWhatIsWrong(t *testing.T) {
	ledger := []orgsim.LedgerEntry{made("a", "1"), made("b", "1"), made("a", "2"), {Object: "Shipment__e", UUID: "3"}}
	shipment := &kgo.Record{Topic: "sf.event.Shipment__e", Key: []byte("3"), Headers: []kgo.RecordHeader{{Key: "ce_id", Value: []byte("3")}}}
	for name, c := range map[string]struct {
		records []*kgo.Record
		want    sandbox.Verdict
	}{
		"all there": {[]*kgo.Record{read("a", "1"), read("a", "2"), read("b", "1"), shipment}, sandbox.Verdict{RecordsCommitted: 4}},
		"lost":      {[]*kgo.Record{read("a", "1"), read("b", "1"), shipment}, sandbox.Verdict{RecordsCommitted: 3, Lost: 1}},
		"one of a merged event lost": {
			[]*kgo.Record{read("a", "1"), read("a", "2"), shipment},
			sandbox.Verdict{RecordsCommitted: 3, Lost: 1},
		},
		"doubled": {
			[]*kgo.Record{read("a", "1"), read("a", "2"), read("b", "1"), read("b", "1"), shipment},
			sandbox.Verdict{RecordsCommitted: 5, Duplicates: 1},
		},
		"out of order": {
			[]*kgo.Record{read("a", "2"), read("a", "1"), read("b", "1"), shipment},
			sandbox.Verdict{RecordsCommitted: 4, Misordered: 1},
		},
		"nobody's": {
			[]*kgo.Record{read("a", "1"), read("a", "2"), read("b", "1"), shipment, read("c", "9")},
			sandbox.Verdict{RecordsCommitted: 5, Unknown: 1},
		},
		"set aside": {
			[]*kgo.Record{read("a", "1"), read("b", "1"), shipment, aside("2")},
			sandbox.Verdict{RecordsCommitted: 3, SetAside: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.ChangesMade = 4
			got := sandbox.Audit(ledger, func(string) bool { return true }, "sf", c.records)
			clean := name == "all there" || name == "set aside"
			if got.Clean() != clean || (len(got.Examples) == 0) != clean {
				t.Errorf("clean %v with examples %v", got.Clean(), got.Examples)
			}
			got.Examples = nil
			if want := c.want; got.ChangesMade != want.ChangesMade || got.RecordsCommitted != want.RecordsCommitted || got.Lost != want.Lost ||
				got.Duplicates != want.Duplicates || got.Misordered != want.Misordered || got.Unknown != want.Unknown || got.SetAside != want.SetAside {
				t.Errorf("verdict %+v, want %+v", got, want)
			}
		})
	}
}
