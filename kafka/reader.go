package kafka

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// ReaderConfig says what to read.
type ReaderConfig struct {
	Topic     string
	Partition int32
	// Offset to begin at: absolute, EarliestOffset, or LatestOffset, which is the last stable offset, so that a
	// transaction still open is seen in full once it commits.
	Offset int64
	// MaxBytes of one fetch. Default 4 MiB. A larger batch still comes whole.
	MaxBytes int
	// MaxWait for the first byte before the broker is asked again. Default 500 ms. It delays nothing; it is how often an
	// idle partition costs a request.
	MaxWait time.Duration
}

// Reader follows one partition and returns committed records only. It keeps no goroutine and fetches when asked; each
// partition followed holds one connection while it waits. Next is for one goroutine, the rest is safe for all.
type Reader struct {
	client *Client
	cfg    ReaderConfig
	tp     topicPartition
	dec    decoder
	offset atomic.Int64
	high   atomic.Int64
	stable atomic.Int64
}

// NewReader resolves where to begin.
func (c *Client) NewReader(ctx context.Context, cfg ReaderConfig) (*Reader, error) {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 4 << 20
	}
	if cfg.MaxWait <= 0 {
		cfg.MaxWait = 500 * time.Millisecond
	}
	if cfg.Offset < EarliestOffset {
		return nil, fmt.Errorf("read topic %s partition %d: offset %d", cfg.Topic, cfg.Partition, cfg.Offset)
	}
	r := &Reader{client: c, cfg: cfg, tp: topicPartition{cfg.Topic, cfg.Partition}}
	o, err := c.Offsets(ctx, cfg.Topic, cfg.Partition)
	if err != nil {
		return nil, fmt.Errorf("read topic %s partition %d: %w", cfg.Topic, cfg.Partition, err)
	}
	start := cfg.Offset
	switch start {
	case EarliestOffset:
		start = o.Start
	case LatestOffset:
		start = o.Stable
	}
	r.offset.Store(start)
	r.high.Store(o.End)
	r.stable.Store(o.Stable)
	return r, nil
}

// Next returns the next committed records, at least one, waiting for them until ctx ends. Broken connections and moving
// leaders are waited out. An *OffsetError says that the position has been deleted by retention, or never was. Keys, values and header
// values share memory with each other and belong to the caller.
func (r *Reader) Next(ctx context.Context) ([]Record, error) {
	for {
		recs, err := r.poll(ctx, r.cfg.MaxWait)
		if err != nil {
			return nil, fmt.Errorf("read topic %s partition %d: %w", r.tp.topic, r.tp.partition, err)
		}
		if len(recs) > 0 {
			return recs, nil
		}
	}
}

// poll fetches once, with patience; no records and no error means that there is nothing yet.
func (r *Reader) poll(ctx context.Context, wait time.Duration) (recs []Record, err error) {
	err = r.client.retrying(ctx, r.tp, func() (err error) {
		recs, err = r.once(ctx, wait)
		return err
	})
	return recs, err
}

// once sends one fetch request.
func (r *Reader) once(ctx context.Context, wait time.Duration) ([]Record, error) {
	offset := r.offset.Load()
	f, err := r.client.fetch(ctx, r.tp, offset, r.cfg.MaxBytes, wait)
	if code, _ := codeOf(err); code == kafkago.OffsetOutOfRange {
		o, oerr := r.client.Offsets(ctx, r.tp.topic, r.tp.partition)
		if oerr != nil {
			return nil, join(err, oerr)
		}
		if o.Start <= offset && offset <= o.End { // a leader that has just changed may not know its end yet
			return nil, fmt.Errorf("offset %d: %w", offset, kafkago.OffsetNotAvailable)
		}
		return nil, &OffsetError{Topic: r.tp.topic, Partition: r.tp.partition, Offset: offset, Start: o.Start, End: o.End}
	}
	if err != nil {
		return nil, err
	}
	recs, next, hidden, err := f.committed(&r.dec, r.tp, offset)
	if err != nil {
		return nil, err
	}
	r.offset.Store(next)
	r.high.Store(f.high)
	r.stable.Store(f.stable)
	r.client.metrics.read.Add(float64(len(recs)))
	r.client.metrics.hidden.Add(float64(hidden))
	return recs, nil
}

// Offset is the position that the next call to Next goes on from: after the last record returned, and after what was
// passed over behind it.
func (r *Reader) Offset() int64 { return r.offset.Load() }

// HighWatermark is the end of the replicated log as the last answer told it.
func (r *Reader) HighWatermark() int64 { return r.high.Load() }

// LastStableOffset is the end of the decided log as the last answer told it. A reader at this offset has seen all that is
// committed.
func (r *Reader) LastStableOffset() int64 { return r.stable.Load() }

// unknownFor is how long a topic that no broker knows is asked for again: one just created takes a moment to spread.
const unknownFor = 5 * time.Second

// retrying runs a request to a partition's leader until it succeeds, fails for good, or ctx ends.
func (c *Client) retrying(ctx context.Context, tp topicPartition, fn func() error) error {
	wait, began := newWaiter(20*time.Millisecond, 2*time.Second), time.Now()
	for {
		err := fn()
		if err == nil || !Retryable(err) {
			return err
		}
		if code, _ := codeOf(err); code == kafkago.UnknownTopicOrPartition && time.Since(began) > unknownFor {
			return err
		}
		c.metrics.retries.WithLabelValues(reason(err)).Inc()
		c.log.Log(ctx, wait.level(), "partition not available, asking again", "topic", tp.topic, "partition", tp.partition, "err", err)
		if wait.wait(ctx) != nil {
			return join(ctx.Err(), err)
		}
		if code, ok := codeOf(err); !ok || movedCode(code) {
			c.refreshTopic(ctx, tp.topic) // an error shows again at the next attempt
		}
	}
}
