package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sfbridge/internal/crashpoint"
)

// ProducerConfig says how to write.
type ProducerConfig struct {
	// TransactionalID names the writer; a new producer with the same id fences the earlier one. "" means at-least-once:
	// no transactions, every record acknowledged by all in-sync replicas.
	TransactionalID string
	// TransactionTimeout is when the broker aborts a transaction that its producer left open. Default 30 s. It must be
	// longer than RetryFor.
	TransactionTimeout time.Duration
	// RetryFor is how long one Commit goes on in the face of broken connections, moving leaders and missing replicas.
	// Default 15 s.
	RetryFor time.Duration
}

// Producer writes records and positions together. One Commit runs at a time; others wait for it.
type Producer struct {
	client *Client
	cfg    ProducerConfig
	id     int64 // producer id, -1 without transactions
	epoch  int16

	mu         sync.Mutex // held through a commit; guards what follows
	failed     error      // why this producer is unusable
	closed     bool
	open       bool // a transaction may be open at the coordinator, and its end has not been asked for
	lost       bool // a connection broke under a request of this epoch, which may be carried out yet
	queues     map[topicPartition]*queue
	turn       uint32 // for records without a key
	spare      [][]byte
	spareBytes int
}

// NewProducer returns a producer. With a transactional id this is the fence: when it returns, no earlier producer of that
// id can write or commit, a transaction that it left open is aborted, and one whose commit was under way is complete. So
// what a reader of committed data sees now is what there is to resume from. It retries while the coordinator loads, moves
// or finishes an earlier transaction, until ctx ends.
func (c *Client) NewProducer(ctx context.Context, cfg ProducerConfig) (*Producer, error) {
	if cfg.TransactionTimeout == 0 {
		cfg.TransactionTimeout = 30 * time.Second
	}
	if cfg.RetryFor == 0 {
		cfg.RetryFor = 15 * time.Second
	}
	p := &Producer{client: c, cfg: cfg, id: -1, epoch: -1, queues: map[topicPartition]*queue{}}
	if cfg.TransactionalID == "" {
		return p, nil
	}
	if cfg.RetryFor >= cfg.TransactionTimeout {
		return nil, fmt.Errorf("kafka producer %s: retry for %s must be less than the transaction timeout of %s",
			cfg.TransactionalID, cfg.RetryFor, cfg.TransactionTimeout)
	}
	if err := p.init(ctx); err != nil {
		return nil, fmt.Errorf("start kafka producer %s: %w", cfg.TransactionalID, err)
	}
	return p, nil
}

// Commit writes recs in one transaction: readers of committed data see all of them or none, in order within a partition.
// An empty slice commits nothing and succeeds.
//
// Without a transactional id the records are written in order and acknowledged by all in-sync replicas, the last record,
// which should be the position, only after all the others are. A failure then leaves any number of the others written, and
// never the last without them, so the caller resumes from an older position and writes some again.
//
// Errors: a *TooLargeError, an unknown topic, or an error of asking for topics comes before anything is sent, and the
// producer stays usable. ErrFenced says that another producer has taken over. Any other error is a doubt: the transaction
// may or may not have been committed. The producer is then of no further use and returns the same error for ever; a new
// producer with the same id settles the matter, and reading the position tells how.
func (p *Producer) Commit(ctx context.Context, recs []Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed != nil {
		return p.failed
	}
	if p.closed {
		return ErrClosed
	}
	if len(recs) == 0 {
		return nil
	}
	start := time.Now()
	sent, err := p.commit(ctx, recs, nil)
	p.count(err, sent, time.Since(start))
	return err
}

// commit encodes, then sends; g may be nil. sent tells whether anything may have left.
func (p *Producer) commit(ctx context.Context, recs []Record, g *GroupCommit) (sent bool, err error) {
	steps := [][]Record{recs}
	if p.id < 0 && len(recs) > 1 {
		steps = [][]Record{recs[:len(recs)-1], recs[len(recs)-1:]}
	}
	plans := make([]*plan, 0, len(steps))
	defer func() {
		for _, pl := range plans {
			pl.release()
		}
	}()
	if err := ctx.Err(); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.RetryFor)
	defer cancel()
	if p.id < 0 && len(recs) > 0 {
		// A record that is too large must be found before its neighbours leave, so the steps are measured first.
		if err := p.measure(ctx, recs[len(recs)-1:], len(recs)-1); err != nil {
			return false, err
		}
	}
	for i, step := range steps {
		first := 0
		if i > 0 {
			first = len(recs) - len(step)
		}
		pl, err := p.encode(ctx, step, first)
		if err != nil {
			return sent, p.doubtIf(sent, err)
		}
		plans = append(plans, pl)
		sent = true
		if err := p.write(ctx, pl, g); err != nil {
			return sent, p.doubtIf(sent, err)
		}
		records, bytes := pl.totals()
		p.client.metrics.written.Add(float64(records))
		p.client.metrics.writtenBytes.Add(float64(bytes))
		pl.release()
		plans = plans[:0]
	}
	if p.id < 0 && g != nil {
		sent = true
		if err := p.client.commitOffsets(ctx, *g); err != nil {
			return sent, p.doubtIf(sent, err)
		}
	}
	return sent, nil
}

// measure encodes records only to see whether they fit.
func (p *Producer) measure(ctx context.Context, recs []Record, first int) error {
	pl, err := p.encode(ctx, recs, first)
	if err == nil {
		pl.release()
	}
	return err
}

// write sends a plan's batches, inside a transaction if the producer has an id.
func (p *Producer) write(ctx context.Context, pl *plan, g *GroupCommit) error {
	if p.id < 0 {
		pl.sign()
		return p.send(ctx, pl.queues)
	}
	if p.lost {
		if err := p.init(ctx); err != nil {
			return fmt.Errorf("take a new epoch: %w", err)
		}
	}
	pl.sign()
	p.open = true
	if err := p.addPartitions(ctx, pl.queues); err != nil {
		return err
	}
	if g != nil {
		if err := p.addOffsets(ctx, g); err != nil {
			return err
		}
	}
	if err := p.send(ctx, pl.queues); err != nil {
		return err
	}
	if g != nil {
		if err := p.sendOffsets(ctx, g); err != nil {
			return err
		}
	}
	p.open = false // from here on only the coordinator knows
	crashpoint.Here("after-produce")
	if err := p.endTxn(ctx, true); err != nil {
		return err
	}
	for _, q := range pl.queues {
		q.enrolled = false
	}
	if p.lost {
		// The records are committed, so a failure here is not this commit's; the next one tries again and tells.
		if err := p.init(ctx); err != nil {
			p.client.log.Debug("no new epoch yet", "transactional_id", p.cfg.TransactionalID, "err", err)
		}
	}
	return nil
}

// doubtIf makes err the end of this producer when something had been sent.
func (p *Producer) doubtIf(sent bool, err error) error {
	if !sent {
		return err
	}
	if p.cfg.TransactionalID != "" {
		err = fmt.Errorf("commit by %s: %w", p.cfg.TransactionalID, err)
	}
	p.failed = err
	return err
}

// spent tells whether the producer is of no further use.
func (p *Producer) spent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed != nil || p.closed
}

// Abort aborts a transaction that a failed Commit left open, so that readers of committed data need not wait for the
// broker's timeout. It is a courtesy: a new producer with the same id aborts as well. The producer is unusable afterwards.
func (p *Producer) Abort(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == nil {
		p.failed = ErrClosed
	}
	return p.abort(ctx)
}

func (p *Producer) abort(ctx context.Context) error {
	if !p.open {
		return nil
	}
	p.open = false
	ctx, cancel := context.WithTimeout(ctx, p.cfg.RetryFor)
	defer cancel()
	if err := p.endTxn(ctx, false); err != nil && !errors.Is(err, ErrFenced) {
		return fmt.Errorf("abort transaction of %s: %w", p.cfg.TransactionalID, err)
	}
	return nil
}

// Close waits for a commit in progress and ends the producer. It may be called twice.
func (p *Producer) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := p.abort(ctx)
	p.queues, p.spare = nil, nil
	return err
}

// count records a commit's outcome.
func (p *Producer) count(err error, sent bool, took time.Duration) {
	m := p.client.metrics
	outcome := "committed"
	if err != nil {
		outcome = "refused"
		_, large := errors.AsType[*TooLargeError](err)
		switch {
		case errors.Is(err, ErrFenced):
			outcome = "fenced"
		case errors.Is(err, ErrLost):
			outcome = "stale"
		case large:
			outcome = "too_large"
		case sent:
			outcome = "doubt"
		}
	} else {
		m.commitSeconds.Observe(took.Seconds())
	}
	m.commits.WithLabelValues(outcome).Inc()
}

// maxSpareBytes is how much memory a producer keeps for its next commit.
const maxSpareBytes = 4 << 20

func (p *Producer) takeBuffer() []byte {
	n := len(p.spare)
	if n == 0 {
		return nil
	}
	b := p.spare[n-1]
	p.spare[n-1] = nil
	p.spare = p.spare[:n-1]
	p.spareBytes -= cap(b)
	return b
}

func (p *Producer) giveBuffer(b []byte) {
	if p.spareBytes+cap(b) <= maxSpareBytes {
		p.spare = append(p.spare, b[:0])
		p.spareBytes += cap(b)
	}
}
