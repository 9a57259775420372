package bridge

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"sfbridge/event"
	"sfbridge/kafka"
)

// unit is what one response of the org became: records and the position that
// they take the channel to. A unit is never split over transactions.
type unit struct {
	ch      *channel
	records []kafka.Record // of the arena
	arena   *arena
	pos     event.Position
	events  int
	size    int64 // bytes of its records
	bytes   int64 // what it holds of the budget
}

// budget bounds the bytes of records that wait for their transaction in the
// whole process. Whoever finds it spent waits, and so stops pulling.
type budget struct {
	size int64
	sem  *semaphore.Weighted
}

func newBudget(size int64) *budget {
	return &budget{size: size, sem: semaphore.NewWeighted(size)}
}

// acquire waits for n bytes of room. A unit larger than the whole budget takes
// all of it, so it passes alone instead of waiting for ever.
func (b *budget) acquire(ctx context.Context, n int64) (int64, error) {
	n = min(n, b.size)
	return n, b.sem.Acquire(ctx, n)
}

func (b *budget) release(n int64) { b.sem.Release(n) }

// queue holds the units of a lane between encoding and commit. Its length is
// bounded by the budget, not by a count.
type queue struct {
	mu     sync.Mutex // guards units, closed
	units  []unit
	closed bool
	ready  chan struct{} // holds one token while there is something to take
}

func newQueue() *queue { return &queue{ready: make(chan struct{}, 1)} }

func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

func (q *queue) put(u unit) {
	q.mu.Lock()
	q.units = append(q.units, u)
	q.mu.Unlock()
	q.signal()
}

// close says that nothing more will come; what is there can still be taken.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

// take moves waiting units to dst until it holds maxBytes; closed tells that
// the queue is closed and empty.
func (q *queue) take(dst []unit, maxBytes int64) (_ []unit, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, int64(0)
	for n < len(q.units) && (n == 0 || size+q.units[n].bytes <= maxBytes) {
		size += q.units[n].bytes
		n++
	}
	dst = append(dst, q.units[:n]...)
	rest := copy(q.units, q.units[n:])
	clear(q.units[rest:])
	q.units = q.units[:rest]
	if rest > 0 || q.closed {
		q.signal()
	}
	return dst, q.closed && rest == 0
}
