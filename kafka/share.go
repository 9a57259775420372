package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// ErrShareOver is returned by Poll and Note once the share is over, along with the cause if it was not a rebalance.
var ErrShareOver = errors.New("share is over")

// MaxNoteBytes is the longest note: the broker's default for offset.metadata.max.bytes.
const MaxNoteBytes = 4096

// Share is what this member has of the topic, for one generation of the group. Poll is for one goroutine; everything else,
// and Delivery.Settle, for any.
type Share struct {
	Generation int32
	Partitions []int32 // of Topic; sorted, may be empty

	consumer *Consumer
	client   *Client
	cfg      *ConsumerConfig
	gen      *Generation
	units    []*unit
	ledgers  []*ledger
	notes    map[TopicPartition]string

	ctx     context.Context // of commits; ends when nothing may be committed any more
	cancel  context.CancelFunc
	reading context.Context // of fetches; ends when the share is over
	stop    context.CancelFunc
	done    chan struct{}
	ready   chan struct{} // one token: something may have changed for Poll
	work    sync.WaitGroup
	stopped chan struct{} // closed when all goroutines of the share have ended

	mu        sync.Mutex // guards what follows, and the ledgers
	over      bool
	err       error
	gone      bool // for another reason than a rebalance
	closing   bool
	used      int64 // bytes delivered and not committed
	delivered int64 // records
	turn      int   // ledger that Poll begins with
	lost      error // a position that is gone
	leftover  error // what Close has to tell
}

// open takes possession of a generation's partitions: it fences whoever had them before, and then reads how far that one got.
func (k *Consumer) open(ctx context.Context, gen *Generation) (*Share, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-gen.Done:
			cancel()
		case <-ctx.Done():
		}
	}()
	s := &Share{
		Generation: gen.ID, Partitions: gen.Partitions, consumer: k, client: k.client, cfg: &k.cfg, gen: gen,
		notes: map[TopicPartition]string{}, done: make(chan struct{}), ready: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
	if err := s.prepare(ctx); err != nil {
		return nil, fmt.Errorf("consume topic %s as group %s: %w", k.cfg.Topic, k.cfg.Group, err)
	}
	s.start()
	return s, nil
}

// openAtOnce bounds how many partitions are prepared side by side.
const openAtOnce = 16

func (s *Share) prepare(ctx context.Context) error {
	if err := s.layOut(ctx); err != nil {
		return err
	}
	if len(s.ledgers) == 0 {
		return nil
	}
	fence, fctx := errgroup.WithContext(ctx)
	fence.SetLimit(openAtOnce)
	for _, u := range s.units {
		fence.Go(func() (err error) {
			u.producer, err = u.newProducer(fctx)
			return err
		})
	}
	if err := fence.Wait(); err != nil {
		return err
	}
	tps := make([]TopicPartition, len(s.ledgers))
	for i, l := range s.ledgers {
		tps[i] = l.TopicPartition
	}
	found, err := s.client.groupOffsets(ctx, s.cfg.Group, tps, s.cfg.TransactionalID != nil)
	if err != nil {
		return err
	}
	begin, bctx := errgroup.WithContext(ctx)
	begin.SetLimit(openAtOnce)
	for _, l := range s.ledgers {
		o := found[l.TopicPartition]
		l.stored, l.note = o.Offset, o.Note
		if o.Note != "" {
			s.notes[l.TopicPartition] = o.Note
		}
		begin.Go(func() error { return l.begin(bctx) })
	}
	return begin.Wait()
}

// layOut makes a unit for each partition and a ledger for each topic that has one of that number.
func (s *Share) layOut(ctx context.Context) error {
	counts := map[string]int{}
	for _, topic := range s.cfg.With {
		var info *topicInfo
		err := s.client.retrying(ctx, topicPartition{topic: topic}, func() (err error) {
			info, err = s.client.refreshTopic(ctx, topic)
			return err
		})
		if err != nil {
			return err
		}
		counts[topic] = len(info.leaders)
	}
	s.warnUnread(ctx, counts)
	for _, p := range s.Partitions {
		u := &unit{share: s, partition: p, wake: make(chan struct{}, 1), ended: make(chan struct{})}
		s.units = append(s.units, u)
		u.ledgers = append(u.ledgers, newLedger(u, s.cfg.Topic))
		for _, topic := range s.cfg.With {
			if int(p) < counts[topic] {
				u.ledgers = append(u.ledgers, newLedger(u, topic))
			}
		}
		s.ledgers = append(s.ledgers, u.ledgers...)
	}
	return nil
}

// warnUnread tells of partitions that nobody reads, since the topic that they go along with has fewer.
func (s *Share) warnUnread(ctx context.Context, counts map[string]int) {
	if !slices.Contains(s.Partitions, 0) {
		return // one member is enough to tell
	}
	info, err := s.client.topic(ctx, s.cfg.Topic)
	if err != nil {
		return
	}
	for topic, n := range counts {
		if have := len(info.leaders); n > have {
			s.client.log.Warn("partitions are read by nobody: a topic that goes along has more than the one it goes along with",
				"group", s.cfg.Group, "topic", topic, "partitions", n, "read", have)
		}
	}
}

// start begins reading and committing.
func (s *Share) start() {
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.reading, s.stop = context.WithCancel(s.ctx)
	for _, l := range s.ledgers {
		s.work.Go(l.follow)
	}
	for _, u := range s.units {
		s.work.Go(u.run)
	}
	go s.watch()
}

// watch ends the share with its generation, and waits for the share's goroutines.
func (s *Share) watch() {
	select {
	case <-s.gen.Done:
		s.end(s.gen.Err())
	case <-s.done:
	}
	s.work.Wait()
	close(s.stopped)
}

// end closes Done. What is settled can still be committed until Close, unless the membership is gone.
func (s *Share) end(err error) {
	s.mu.Lock()
	if !s.over {
		s.over, s.err = true, err
		close(s.done)
	}
	s.gone = s.gone || err != nil
	s.mu.Unlock()
	s.stop()
	if errors.Is(err, ErrLost) || errors.Is(err, ErrClosed) {
		s.cancel()
	}
}

// Done closes when the share is over: a rebalance, a lost membership, a newer owner, an outcome that its topic cannot take,
// Close.
func (s *Share) Done() <-chan struct{} { return s.done }

// Err tells why Done closed: nil for a rebalance, ErrLost, ErrFenced, ErrClosed, or a *TooLargeError.
func (s *Share) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Held tells whether the partitions are surely still this member's at this moment, by the clock: Done may lag behind when
// the process was stopped for a while. Ask right before an effect that nobody else can undo. During a rebalance it stays
// true for as long as the group waits for this member, so that work under way can be finished.
func (s *Share) Held() bool {
	s.mu.Lock()
	gone := s.gone
	s.mu.Unlock()
	return !gone && s.gen.held()
}

// Notes are what the owner before committed with its last offsets, for this share's partitions; empty ones are left out.
func (s *Share) Notes() map[TopicPartition]string { return s.notes }

// Trouble is why commits or reads do not succeed at this moment, nil when they do. They are tried again until the share is
// over.
func (s *Share) Trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost != nil {
		return s.lost
	}
	for _, u := range s.units {
		if u.trouble != nil {
			return u.trouble
		}
		for _, l := range u.ledgers {
			if l.trouble != nil {
				return l.trouble
			}
		}
	}
	return nil
}

// overErr is what calls get once the share is over.
func (s *Share) overErr() error {
	if err := s.Err(); err != nil {
		return fmt.Errorf("topic %s: %w: %w", s.cfg.Topic, ErrShareOver, err)
	}
	return fmt.Errorf("topic %s: %w", s.cfg.Topic, ErrShareOver)
}

// Close stops reading, commits what is settled, in order, and gives up the rest. It returns once nothing of this share can be
// written any more, or ctx has ended; aborting a transaction that is then still open takes up to two seconds more. An error
// says that settled records were left uncommitted: their outcomes are not visible, and the next owner gets the records again.
// It may be called twice.
func (s *Share) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for _, u := range s.units {
		signal(u.wake)
	}
	if !s.over {
		s.over, s.err = true, ErrClosed
		close(s.done)
	}
	s.gone = true
	s.mu.Unlock()
	s.stop()
	select {
	case <-s.stopped:
	case <-ctx.Done():
		s.cancel()
		<-s.stopped
	}
	s.cancel()
	return s.left(ctx)
}

// left counts what is settled and not committed.
func (s *Share) left(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leftover != nil {
		return s.leftover
	}
	n := 0
	for _, l := range s.ledgers {
		for _, d := range l.open {
			if d.settled {
				n++
			}
		}
		n -= l.behind()
	}
	if n == 0 {
		return nil
	}
	cause := s.err
	if cause == nil || errors.Is(cause, ErrClosed) {
		cause = ctx.Err()
	}
	for _, u := range s.units {
		cause = join(cause, u.trouble)
	}
	s.leftover = fmt.Errorf("topic %s: %d settled records not committed: %w", s.cfg.Topic, n, cause)
	return s.leftover
}

// giveUp ends everything at once.
func (s *Share) giveUp() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.cancel()
	s.Close(ctx)
}

// SharePosition is how far a partition is.
type SharePosition struct {
	TopicPartition
	Committed int64     // offset of the first record without a committed outcome
	Next      int64     // offset of the first record that is not delivered
	Stable    int64     // last stable offset, as last heard; -1 before the first answer
	End       int64     // end of the log, behind transactions that are open as well; as last heard
	Oldest    time.Time // timestamp of the first delivered record without a committed outcome, or zero
}

// Lag is how many offsets lie between what is committed and the end of the decided log, 0 before that is known.
func (p SharePosition) Lag() int64 { return max(0, p.Stable-p.Committed) }

// Positions tells how far each partition is. It asks nobody.
func (s *Share) Positions() []SharePosition {
	ps := make([]SharePosition, 0, len(s.ledgers))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.ledgers {
		p := SharePosition{TopicPartition: l.TopicPartition, Committed: l.committed, Next: l.next, Stable: l.reader.LastStableOffset(), End: l.reader.HighWatermark()}
		if l.at < len(l.buffer) {
			p.Next = l.buffer[l.at].Offset
		}
		if len(l.open) > 0 {
			p.Oldest = l.open[0].Time
		}
		ps = append(ps, p)
	}
	return ps
}

// Delivered is how many records Poll has returned so far. What Positions told before is either counted in it, or still
// behind Next.
func (s *Share) Delivered() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.delivered
}

// signal leaves a token, unless one lies there already.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
