package orgsim

import (
	"maps"
	"sync"
	"time"

	"sfbridge/event"
)

// LedgerEntry is one committed change of one record as subscribers are to see
// it, or one platform event. The ledger is the truth that topics are compared
// with.
type LedgerEntry struct {
	Seq            int64            `json:"seq"` // from 1, in commit order
	Object         string           `json:"object"`
	RecordID       string           `json:"record_id,omitempty"`
	ChangeType     event.ChangeType `json:"change_type,omitempty"` // empty for platform events
	ReplayID       event.ReplayID   `json:"replay_id"`
	UUID           string           `json:"uuid"`
	TransactionKey string           `json:"transaction_key,omitempty"`
	Index          int              `json:"index"`  // of the record in its event
	Merged         int              `json:"merged"` // records in the event
	At             time.Time        `json:"at"`     // when it was committed, not cut to seconds
}

// Ledger counts every committed change, and keeps the entries as far as the
// configuration says.
type Ledger struct {
	keep    int
	idBytes int

	mu      sync.Mutex // guards all below
	total   int64
	counts  map[string]int64
	entries queue[LedgerEntry]
}

// add counts the changes of an event; h is nil for platform events.
func (l *Ledger) add(e *stored, h *event.Header) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := []string{""}
	entry := LedgerEntry{Object: e.entity, ReplayID: replayID(e.counter, l.idBytes), UUID: e.uuid, At: time.Now()}
	if h != nil {
		ids, entry.ChangeType, entry.TransactionKey = h.RecordIDs, h.ChangeType, h.TransactionKey
	}
	for i, id := range ids {
		l.total++
		l.counts[e.entity]++
		if l.keep == 0 {
			continue
		}
		entry.Seq, entry.RecordID, entry.Index, entry.Merged = l.total, id, i, len(ids)
		l.entries.push(entry)
		if l.keep > 0 && l.entries.len() > l.keep {
			l.entries.pop()
		}
	}
}

// Total is the number of changes since the org was made.
func (l *Ledger) Total() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

// Counts is the number of changes by object or platform event.
func (l *Ledger) Counts() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.counts)
}

// Since copies the kept entries whose Seq is greater than seq, in order.
func (l *Ledger) Since(seq int64) []LedgerEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []LedgerEntry
	for i := range l.entries.len() {
		if e := l.entries.at(i); e.Seq > seq {
			out = append(out, e)
		}
	}
	return out
}
