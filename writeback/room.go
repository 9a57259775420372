package writeback

import (
	"context"
	"sync/atomic"

	"sfbridge/kafka"
)

// room bounds the memory of records and rows that have no outcome yet. Records
// beyond it wait in Kafka.
type room struct {
	limit int64 // bytes; 0: no bound
	held  atomic.Int64
	freed chan struct{} // one token: some room was given back
}

func newRoom(limit int64) *room { return &room{limit: limit, freed: make(chan struct{}, 1)} }

// itemCost is what a record that waits takes beside its bytes and its row: its
// delivery, its item, its lane (measured: 550 bytes).
const itemCost = 550

// take counts an item in.
func (r *room) take(it *item) {
	it.size = int32(min(int64(itemCost+recordBytes(&it.d.Record)+it.row.Size()), 1<<30))
	r.held.Add(int64(it.size))
}

func recordBytes(rec *kafka.Record) int {
	n := len(rec.Key) + len(rec.Value)
	for _, h := range rec.Headers {
		n += 48 + len(h.Value)
	}
	return n
}

// give counts an item out.
func (r *room) give(it *item) {
	if it.size == 0 {
		return
	}
	r.held.Add(-int64(it.size))
	it.size = 0
	select {
	case r.freed <- struct{}{}:
	default:
	}
}

// wait waits until there is room for more. What is held always goes out by itself.
func (r *room) wait(ctx context.Context) error {
	for r.limit > 0 && r.held.Load() >= r.limit {
		select {
		case <-r.freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
