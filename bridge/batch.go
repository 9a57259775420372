package bridge

import "time"

const (
	// maxTransaction bounds what one transaction holds, in bytes. More would
	// not be faster, and a reader waits for the whole of it.
	maxTransaction = 4 << 20
	// busyBatch is what came in during one commit when traffic is high: some
	// tens of thousands of events a second.
	busyBatch = 64 << 10
	// fullBatch is a batch that is worth sending at once when traffic is high.
	fullBatch = 1 << 20
	// fillTime bounds the wait for a fuller batch.
	fillTime = 10 * time.Millisecond
)

// batcher fills transactions from a queue. Batching is natural: a transaction
// holds what came while the one before was committed. When that alone is much,
// a transaction waits a moment for more: each costs the broker as much as a
// thousand records, and at full rate a machine that they share with it has
// better things to do. At low rates nothing ever waits.
type batcher struct {
	queue *queue
	last  int64 // bytes of the batch before
}

// next returns the units of the next transaction, in dst's room. It is called
// when the queue is ready; closed tells that nothing will follow.
func (b *batcher) next(dst []unit) (units []unit, closed bool) {
	units, closed = b.queue.take(dst[:0], maxTransaction)
	if b.last >= busyBatch && !closed {
		units, closed = b.fill(units)
	}
	b.last = bytesOf(units)
	return units, closed
}

func (b *batcher) fill(units []unit) (_ []unit, closed bool) {
	timeout := time.NewTimer(fillTime)
	defer timeout.Stop()
	for size := bytesOf(units); size < fullBatch && !closed; size = bytesOf(units) {
		select {
		case <-b.queue.ready:
			units, closed = b.queue.take(units, maxTransaction-size)
		case <-timeout.C:
			return units, false
		}
	}
	return units, closed
}

func bytesOf(units []unit) (n int64) {
	for i := range units {
		n += units[i].bytes
	}
	return n
}
