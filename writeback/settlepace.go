package writeback

import (
	"context"
	"time"

	"sfbridge/internal/backoff"
	"sfbridge/kafka"
)

// A job's outcomes come all at once and are larger than its rows: they are
// settled no faster than Kafka takes them.
const (
	settleAhead = 4096 // items settled and perhaps not committed yet
	settleLook  = 2 * time.Millisecond
	settleWait  = time.Second // for commits, while some record before holds them up
)

// settlePace holds up the settling of a large batch.
type settlePace struct {
	c    *carrier
	n    int
	mark kafka.TopicPartition // where the item stood that began the present stretch
	at   int64
	off  bool // commits are held up by something else
}

// next is called before an item is settled.
func (p *settlePace) next(ctx context.Context, it *item) {
	if p.n++; p.n%settleAhead != 0 || p.off {
		return
	}
	if p.mark.Topic != "" {
		p.off = !p.committed(ctx)
	}
	p.mark, p.at = kafka.TopicPartition{Topic: it.d.Topic, Partition: it.d.Partition}, it.d.Offset
}

// committed waits until the stretch before is committed, and tells whether it
// was in time.
func (p *settlePace) committed(ctx context.Context) bool {
	for end := time.Now().Add(settleWait); time.Now().Before(end); {
		for _, at := range p.c.share.Positions() {
			if at.TopicPartition == p.mark && at.Committed > p.at {
				return true
			}
		}
		if backoff.Sleep(ctx, settleLook) != nil {
			return false
		}
	}
	return false
}
