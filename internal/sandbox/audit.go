package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/bridge"
	"sfbridge/orgsim"
)

// Verdict compares what an org did with what its topics hold.
type Verdict struct {
	ChangesMade      int `json:"changes_made"`      // by the org, on captured channels
	RecordsCommitted int `json:"records_committed"` // read back, committed
	SetAside         int `json:"set_aside"`         // changes found in the dead letters
	Duplicates       int `json:"duplicates"`
	Lost             int `json:"lost"`
	Misordered       int `json:"misordered"` // records whose changes are not in the org's order
	Unknown          int `json:"unknown"`    // records that no change of the org explains

	Examples []string `json:"-"` // a few words on what is wrong
}

// Clean tells whether every change is there once, in order.
func (v *Verdict) Clean() bool {
	return v.Duplicates == 0 && v.Lost == 0 && v.Misordered == 0 && v.Unknown == 0
}

func (v *Verdict) example(format string, args ...any) {
	if len(v.Examples) < 10 {
		v.Examples = append(v.Examples, fmt.Sprintf(format, args...))
	}
}

// change names one change of one record: the key of its Kafka record and the
// event that told of it.
type change struct{ topic, key, uuid string }

// Audit compares the ledger of an org, captured as cfg says, with records read
// from topics of that prefix.
func Audit(ledger []orgsim.LedgerEntry, captured func(object string) bool, prefix string, records []*kgo.Record) Verdict {
	var v Verdict
	want := make(map[change]int)
	order := make(map[string][]string) // uuids in the org's order, by topic and key
	for _, e := range ledger {
		if !captured(e.Object) {
			continue
		}
		c := change{prefix + ".cdc." + e.Object, e.RecordID, e.UUID}
		if e.ChangeType == "" {
			c = change{prefix + ".event." + e.Object, e.UUID, e.UUID}
		}
		v.ChangesMade++
		want[c]++
		order[c.topic+" "+c.key] = append(order[c.topic+" "+c.key], c.uuid)
	}
	got, gotOrder, aside := collect(&v, prefix, records)
	for c, n := range got {
		switch w := want[c]; {
		case w == 0:
			v.Unknown += n
			v.example("unknown: %v", c)
		case n > w:
			v.Duplicates += n - w
			v.example("%d times: %v", n, c)
		}
	}
	for c, w := range want {
		if missing := w - got[c]; missing > 0 {
			if aside[c.uuid] {
				v.SetAside += missing
				continue
			}
			v.Lost += missing
			v.example("lost: %v", c)
		}
	}
	for key, uuids := range gotOrder {
		if full := order[key]; len(full) == len(uuids) && !slices.Equal(full, uuids) {
			v.Misordered++
			v.example("out of order: %s", key)
		}
	}
	return v
}

// collect counts the records of changes, keeps their order by key (a key is in
// one partition), and finds the events among the dead letters.
func collect(v *Verdict, prefix string, records []*kgo.Record) (got map[change]int, order map[string][]string, aside map[string]bool) {
	got, order, aside = make(map[change]int), make(map[string][]string), make(map[string]bool)
	for _, r := range records {
		switch {
		case r.Topic == prefix+".dlq":
			var d bridge.DeadLetter
			if json.Unmarshal(r.Value, &d) == nil {
				aside[d.EventUUID] = true
			}
		case strings.HasPrefix(r.Topic, prefix+".cdc."), strings.HasPrefix(r.Topic, prefix+".event."):
			v.RecordsCommitted++
			c := change{r.Topic, string(r.Key), headerOf(r, "ce_id")}
			got[c]++
			order[c.topic+" "+c.key] = append(order[c.topic+" "+c.key], c.uuid)
		}
	}
	return got, order, aside
}

func headerOf(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}
