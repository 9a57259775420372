package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ledger keeps the order of one partition: what was delivered, what is settled, what is committed.
type ledger struct {
	TopicPartition
	unit    *unit
	share   *Share
	reader  *Reader
	drained chan struct{} // one token: the buffer is empty

	// The share's mutex guards what follows.
	stored    int64 // offset that the coordinator has, -1 for none
	committed int64 // the same, or where the partition begins
	note      string
	open      []*Delivery // delivered and not committed, in order
	buffer    []Delivery  // fetched
	at        int         // first of buffer that is not delivered
	next      int64       // offset that is fetched next
	trouble   error
}

// Delivery is a record in the hands of its consumer, until it is settled.
type Delivery struct {
	Record
	ledger  *ledger
	after   int64 // offset to commit once this record is dealt with
	bytes   int64
	settled bool
	outcome []Record
}

// Settle says what became of the record: outcome records, which are committed together with the offset once all
// records before it in its partition are settled too. It is called once, from any goroutine, and does not block.
//
// Once Close has been called it does nothing: the record comes again, to the next owner.
//
// An outcome that is larger than its topic takes ends the share: ask [Client.Fits] about records that may be.
func (d *Delivery) Settle(outcome ...Record) {
	if d.ledger == nil {
		return
	}
	s := d.ledger.share
	s.mu.Lock()
	if !d.settled && !s.closing {
		d.settled, d.outcome = true, outcome
	}
	first := len(d.ledger.open) > 0 && d.ledger.open[0].settled
	s.mu.Unlock()
	if first {
		signal(d.ledger.unit.wake)
	}
}

func newLedger(u *unit, topic string) *ledger {
	return &ledger{TopicPartition: TopicPartition{topic, u.partition}, unit: u, share: u.share, drained: make(chan struct{}, 1)}
}

const (
	minShareFetch = 64 << 10
	maxShareFetch = 1 << 20
	// shareFetchWait is how often an idle partition costs a request, and how old its last stable offset may be.
	shareFetchWait = time.Second
)

// begin finds where to read from.
func (l *ledger) begin(ctx context.Context) error {
	l.committed = l.stored
	if l.stored < 0 {
		o, err := l.share.client.Offsets(ctx, l.Topic, l.Partition)
		if err != nil {
			return fmt.Errorf("topic %s partition %d: %w", l.Topic, l.Partition, err)
		}
		l.committed = o.Start
		if l.share.cfg.Start == LatestOffset {
			l.committed = o.Stable
		}
	}
	l.next = l.committed
	size := l.share.cfg.Window / 8 / int64(len(l.share.ledgers))
	l.reader = &Reader{client: l.share.client, tp: topicPartition{l.Topic, l.Partition}}
	l.reader.cfg.MaxBytes = int(min(max(size, minShareFetch), maxShareFetch))
	l.reader.offset.Store(l.next)
	l.reader.stable.Store(-1)
	return nil
}

// follow reads the partition until the share is over. While what it fetched is being delivered it fetches once more.
func (l *ledger) follow() {
	s := l.share
	ctx := s.reading
	var wait *waiter // since the first of failures in a row
	var stuck stuckWatch
	up := false                  // records are up for delivery
	patience := time.Duration(0) // the first answer tells how much there is, and is not to wait for more
	for ctx.Err() == nil {
		recs, err := l.reader.once(ctx, patience)
		patience = shareFetchWait
		switch gone, isGone := errors.AsType[*OffsetError](err); {
		case ctx.Err() != nil:
			return
		case isGone:
			if !l.positionGone(gone) {
				return
			}
		case err != nil:
			if wait == nil {
				wait = newWaiter(20*time.Millisecond, 5*time.Second)
			}
			l.notRead(ctx, wait, err)
		default:
			wait = nil
			if up && len(recs) > 0 {
				select {
				case <-l.drained:
				case <-ctx.Done():
					return
				}
			}
			up = up || len(recs) > 0
			l.fetched(recs)
			stuck.look(ctx, l)
		}
	}
}

// fetched puts records up for delivery, and notes how far the log has been read.
func (l *ledger) fetched(recs []Record) {
	s := l.share
	next := l.reader.Offset()
	s.mu.Lock()
	moved := next != l.next
	l.next, l.trouble = next, nil
	if len(recs) > 0 {
		l.buffer, l.at = make([]Delivery, len(recs)), 0
	}
	for i, rec := range recs {
		after := next
		if i+1 < len(recs) {
			after = rec.Offset + 1
		}
		l.buffer[i] = Delivery{Record: rec, ledger: l, after: after, bytes: sizeInMemory(&rec)}
	}
	s.mu.Unlock()
	switch {
	case len(recs) > 0:
		signal(s.ready)
	case moved:
		signal(l.unit.wake) // only records that are not shown: the offset goes past them
	}
}

// stuckAt is when records behind an open transaction of somebody else are worth a line in the log.
const stuckAt = 5 * time.Minute

// stuckWatch notices an end of the decided log that does not move although there is more behind it.
type stuckWatch struct {
	stable int64
	since  time.Time
	told   bool
}

func (w *stuckWatch) look(ctx context.Context, l *ledger) {
	stable, end := l.reader.LastStableOffset(), l.reader.HighWatermark()
	if w.since.IsZero() || stable != w.stable || stable == end {
		*w = stuckWatch{stable: stable, since: time.Now()}
		return
	}
	if !w.told && time.Since(w.since) >= stuckAt {
		w.told = true
		l.share.client.log.WarnContext(ctx, "records wait behind a transaction that its writer has left open", "group", l.share.cfg.Group,
			"topic", l.Topic, "partition", l.Partition, "offset", stable, "end", end, "since", w.since)
	}
}

// recordOverhead is about what a record takes beside its bytes.
const recordOverhead = 200

func sizeInMemory(rec *Record) int64 {
	n := recordOverhead + len(rec.Key) + len(rec.Value)
	for _, h := range rec.Headers {
		n += 64 + len(h.Value)
	}
	return int64(n)
}

// notRead waits after a failed fetch, and makes it known once that has gone on for a while or will not pass by itself.
func (l *ledger) notRead(ctx context.Context, wait *waiter, err error) {
	s := l.share
	err = fmt.Errorf("read topic %s partition %d: %w", l.Topic, l.Partition, err)
	if !Retryable(err) || time.Since(wait.began) >= noticeAfter {
		s.mu.Lock()
		l.trouble = err
		s.mu.Unlock()
	}
	s.client.metrics.retries.WithLabelValues(reason(err)).Inc()
	s.client.log.Log(ctx, wait.level(), "partition not read, asking again", "topic", l.Topic, "partition", l.Partition, "err", err)
	if errors.Is(err, ErrClosed) {
		s.end(ErrClosed)
		return
	}
	if wait.wait(ctx) != nil {
		return
	}
	if code, ok := codeOf(err); !ok || movedCode(code) {
		s.client.refreshTopic(ctx, l.Topic) // an error shows again at the next attempt
	}
}

// positionGone deals with an offset that the log does not have, and reports whether to go on.
func (l *ledger) positionGone(gone *OffsetError) bool {
	s := l.share
	lost := max(0, gone.Start-gone.Offset)
	if s.cfg.OnLost == LostEarliest {
		s.client.metrics.lost.Add(float64(lost))
		s.client.log.Warn("the offset to go on from is gone, going on with the first record there is", "group", s.cfg.Group,
			"topic", l.Topic, "partition", l.Partition, "offset", gone.Offset, "start", gone.Start, "end", gone.End)
		l.reader.offset.Store(gone.Start)
		l.fetched(nil)
		return true
	}
	what := fmt.Sprintf("%d offsets were deleted by retention before they were read", lost)
	if lost == 0 {
		what = "the topic was made anew or cut since the offset was committed"
	}
	s.mu.Lock()
	if s.lost == nil {
		s.lost = &Error{
			Op:  fmt.Sprintf("consume topic %s partition %d as group %s from offset %d", l.Topic, l.Partition, s.cfg.Group, gone.Offset),
			Err: gone,
			Hint: fmt.Sprintf("%s; to go on with what is there, stop the group's members and run kafka-consumer-groups --group %s --topic %s:%d --reset-offsets --to-earliest --execute",
				what, s.cfg.Group, l.Topic, l.Partition),
		}
	}
	s.mu.Unlock()
	signal(s.ready)
	return false
}

// Poll returns the next committed records of any partition, in order within each, and waits until there is at least one, the
// window has room and ctx has not ended. It is for one goroutine.
//
// Once the share is over the error is ErrShareOver. A position that is gone is an *Error around an *OffsetError, which tells
// how to go on; see OnLost.
func (s *Share) Poll(ctx context.Context) ([]*Delivery, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		select {
		case <-s.done:
			return nil, s.overErr()
		default:
		}
		s.mu.Lock()
		lost := s.lost
		var ds []*Delivery
		if lost == nil {
			ds = s.take()
		}
		s.mu.Unlock()
		if lost != nil {
			return nil, lost
		}
		if len(ds) > 0 {
			s.client.metrics.delivered.Add(float64(len(ds)))
			return ds, nil
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
		case <-s.done:
		}
	}
}

// take moves fetched records into their consumer's hands as far as the window has room.
func (s *Share) take() (ds []*Delivery) {
	defer func() { s.delivered += int64(len(ds)) }()
	for i := range s.ledgers {
		at := (s.turn + i) % len(s.ledgers)
		l := s.ledgers[at]
		for l.at < len(l.buffer) {
			d := &l.buffer[l.at]
			if s.used > 0 && s.used+d.bytes > s.cfg.Window {
				s.turn = at
				return ds
			}
			s.used += d.bytes
			l.open = append(l.open, d)
			l.at++
			ds = append(ds, d)
		}
		if l.buffer != nil {
			l.buffer, l.at = nil, 0
			signal(l.drained)
		}
	}
	if len(s.ledgers) > 0 {
		s.turn = (s.turn + 1) % len(s.ledgers)
	}
	return ds
}

// behind counts settled records that others which are not settled hold back.
func (l *ledger) behind() (n int) {
	held := false
	for _, d := range l.open {
		switch {
		case !d.settled:
			held = true
		case held:
			n++
		}
	}
	return n
}
