package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// unit commits for one partition number: the topic's partition and those that go along with it. One commit runs at a time;
// while it does, the next one gathers.
type unit struct {
	share     *Share
	partition int32
	ledgers   []*ledger
	wake      chan struct{} // one token: something may be due
	ended     chan struct{} // closed when nothing is committed any more

	// run's own.
	producer *Producer // nil once its last commit was in doubt
	records  []Record
	last     time.Time // of the last commit

	// The share's mutex guards what follows.
	notes   []*noteRequest
	turn    int // ledger that the next commit begins with
	trouble error
}

// One transaction holds at most this much, but always one record's outcome.
const (
	maxCommitRecords = 2000
	maxCommitBytes   = 1 << 20
)

// barePause is the least time between commits of nothing but an offset past records that are not shown.
const barePause = time.Second

// commit is what one transaction of a unit holds.
type commit struct {
	parts   []part
	records []Record
	bytes   int
	notes   []*noteRequest
}

// part is one partition's place in a commit.
type part struct {
	l      *ledger
	n      int // deliveries from the front
	offset int64
	note   string
}

// noteRequest is a call of Note that waits.
type noteRequest struct {
	l    *ledger
	text string
	done chan error
}

// Note commits a text along with the present offset of a partition, and returns once that is safe. Every later commit
// carries it until another is set; "" removes it. It is at most MaxNoteBytes long. It is for what a successor has to know
// before it repeats anything.
func (s *Share) Note(ctx context.Context, tp TopicPartition, note string) error {
	if len(note) > MaxNoteBytes {
		return fmt.Errorf("note for topic %s partition %d: %d bytes, at most %d are kept", tp.Topic, tp.Partition, len(note), MaxNoteBytes)
	}
	at := slices.IndexFunc(s.ledgers, func(l *ledger) bool { return l.TopicPartition == tp })
	if at < 0 {
		return fmt.Errorf("note for topic %s partition %d: not of this share", tp.Topic, tp.Partition)
	}
	u := s.ledgers[at].unit
	req := &noteRequest{l: s.ledgers[at], text: note, done: make(chan error, 1)}
	s.mu.Lock()
	u.notes = append(u.notes, req)
	s.mu.Unlock()
	signal(u.wake)
	select {
	case err := <-req.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("note for topic %s partition %d: %w", tp.Topic, tp.Partition, join(ctx.Err(), s.Trouble()))
	case <-u.ended:
	}
	select {
	case err := <-req.done: // it was the last that was committed
		return err
	default:
		return s.overErr()
	}
}

// run commits what is due until the share is closed and nothing is left, or it may not commit any more.
func (u *unit) run() {
	s := u.share
	defer func() {
		close(u.ended)
		if u.producer != nil {
			u.producer.Close()
		}
	}()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for s.ctx.Err() == nil {
		c, wait, closing := u.gather()
		if c != nil {
			if err := u.commit(s.ctx, c); err != nil {
				return
			}
			u.settle(c)
			continue
		}
		if closing {
			return
		}
		var paused <-chan time.Time
		if wait > 0 {
			pause.Reset(wait)
			paused = pause.C
		}
		select {
		case <-u.wake:
		case <-paused:
		case <-s.ctx.Done():
		}
	}
}

// gather takes what is settled from the front of each ledger, and the notes. If there is nothing but an offset to move past
// hidden records, that may have to wait a little.
func (u *unit) gather() (c *commit, wait time.Duration, closing bool) {
	s := u.share
	s.mu.Lock()
	defer s.mu.Unlock()
	c = &commit{records: u.records[:0], notes: u.notes}
	u.notes = nil
	urgent := len(c.notes) > 0 || s.closing
	for i := range u.ledgers {
		p := u.ledgers[(u.turn+i)%len(u.ledgers)].due(c)
		if p.n == 0 && p.offset == p.l.stored && !c.noted(p.l, &p.note) {
			continue
		}
		c.noted(p.l, &p.note)
		urgent = urgent || p.n > 0 || p.l.stored < 0
		c.parts = append(c.parts, p)
	}
	u.turn = (u.turn + 1) % len(u.ledgers)
	u.records = c.records
	if len(c.parts) == 0 {
		return nil, 0, s.closing
	}
	if wait = barePause - time.Since(u.last); !urgent && wait > 0 {
		return nil, wait, s.closing
	}
	return c, 0, s.closing
}

// noted puts the last note asked for l into text, if there is one.
func (c *commit) noted(l *ledger, text *string) (found bool) {
	for _, n := range c.notes {
		if n.l == l {
			*text, found = n.text, true
		}
	}
	return found
}

// due adds the outcomes of the settled front to c, as far as that has room.
func (l *ledger) due(c *commit) part {
	p := part{l: l, offset: l.committed, note: l.note}
	for p.n < len(l.open) && l.open[p.n].settled && c.takes(l.open[p.n]) {
		p.offset = l.open[p.n].after
		p.n++
	}
	if p.n == len(l.open) && l.at >= len(l.buffer) {
		p.offset = l.next
	}
	return p
}

func (c *commit) takes(d *Delivery) bool {
	size := 0
	for i := range d.outcome {
		size += int(sizeInMemory(&d.outcome[i])) - recordOverhead
	}
	if len(c.records) > 0 && (len(c.records)+len(d.outcome) > maxCommitRecords || c.bytes+size > maxCommitBytes) {
		return false
	}
	c.records = append(c.records, d.outcome...)
	c.bytes += size
	return true
}

// commit writes c, however often that has to be tried. An error says that nothing is committed any more by this unit.
func (u *unit) commit(ctx context.Context, c *commit) error {
	s := u.share
	var wait *waiter
	for {
		err := u.try(ctx, c)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		err = fmt.Errorf("topic %s partition %d: %w", s.cfg.Topic, u.partition, u.explain(c, err))
		if c.dropNotes(err) {
			if len(c.parts) == 0 {
				return nil
			}
			continue
		}
		if u.fatal(err) {
			return err
		}
		s.mu.Lock()
		u.trouble = err
		s.mu.Unlock()
		if wait == nil {
			wait = newWaiter(20*time.Millisecond, 5*time.Second)
		}
		s.client.log.Log(ctx, wait.level(), "outcomes not committed, trying again", "group", s.cfg.Group, "topic", s.cfg.Topic,
			"partition", u.partition, "records", len(c.records), "err", err)
		if wait.wait(ctx) != nil {
			return err
		}
	}
}

// explain names the record whose outcome is too large.
func (u *unit) explain(c *commit, err error) error {
	large, ok := errors.AsType[*TooLargeError](err)
	if !ok {
		return err
	}
	u.share.mu.Lock()
	defer u.share.mu.Unlock()
	left := large.Index
	for _, p := range c.parts {
		for _, d := range p.l.open[:p.n] {
			if left -= len(d.outcome); left < 0 {
				return &Error{
					Op: fmt.Sprintf("commit outcome of topic %s partition %d offset %d", d.Topic, d.Partition, d.Offset), Err: err,
					Hint: fmt.Sprintf("raise max.message.bytes of topic %s", large.Topic),
				}
			}
		}
	}
	return err
}

// dropNotes takes the notes out of c if the coordinator found one too long, and tells those who wait.
func (c *commit) dropNotes(err error) bool {
	if code, _ := codeOf(err); code != kafkago.OffsetMetadataTooLarge || len(c.notes) == 0 {
		return false
	}
	for _, n := range c.notes {
		n.done <- err
	}
	c.notes = nil
	c.parts = slices.DeleteFunc(c.parts, func(p part) bool { return p.n == 0 && p.offset == p.l.stored })
	for i := range c.parts {
		c.parts[i].note = c.parts[i].l.note
	}
	return true
}

// fatal ends the share on errors that trying again cannot mend.
func (u *unit) fatal(err error) bool {
	_, large := errors.AsType[*TooLargeError](err)
	switch {
	case large:
		u.share.end(err)
	case errors.Is(err, ErrFenced), errors.Is(err, ErrLost), errors.Is(err, ErrClosed):
		u.share.end(err)
	default:
		return false
	}
	return true
}

// try commits once. After a doubt it first makes a new producer, which settles the transaction before, and looks what
// became of it.
func (u *unit) try(ctx context.Context, c *commit) error {
	s := u.share
	if u.producer == nil {
		done, err := u.recover(ctx, c)
		if done || err != nil {
			return err
		}
	}
	g := GroupCommit{Group: s.cfg.Group, Generation: s.gen.ID, Member: s.gen.MemberID}
	for _, p := range c.parts {
		g.Offsets = append(g.Offsets, GroupOffset{p.l.TopicPartition, p.offset, p.note})
	}
	err := u.producer.CommitOffsets(ctx, c.records, g)
	if err != nil && u.producer.spent() {
		u.producer = nil
	}
	return err
}

// recoverTimeout is how long one attempt at a new producer may take, so that the trouble is known meanwhile.
const recoverTimeout = 20 * time.Second

// recover makes a new producer and tells whether c was committed before it was in doubt.
func (u *unit) recover(ctx context.Context, c *commit) (done bool, err error) {
	s := u.share
	ctx, cancel := context.WithTimeout(ctx, recoverTimeout)
	defer cancel()
	p, err := u.newProducer(ctx)
	if err != nil {
		return false, err
	}
	if s.cfg.TransactionalID != nil {
		if done, err = u.wasCommitted(ctx, c); err != nil {
			return false, err
		}
	}
	u.producer = p
	return done, nil
}

// wasCommitted compares the offsets that the group has now with those before c and those of c.
func (u *unit) wasCommitted(ctx context.Context, c *commit) (bool, error) {
	tps := make([]TopicPartition, len(c.parts))
	for i, p := range c.parts {
		tps[i] = p.l.TopicPartition
	}
	found, err := u.share.client.groupOffsets(ctx, u.share.cfg.Group, tps, true)
	if err != nil {
		return false, err
	}
	before, after := true, true
	for _, p := range c.parts {
		o := found[p.l.TopicPartition]
		before = before && o.Offset == p.l.stored && o.Note == p.l.note
		after = after && o.Offset == p.offset && o.Note == p.note
	}
	if !before && !after {
		return false, fmt.Errorf("%w: somebody else has committed offsets of group %s", ErrLost, u.share.cfg.Group)
	}
	return after, nil
}

func (u *unit) newProducer(ctx context.Context) (*Producer, error) {
	cfg := ProducerConfig{TransactionTimeout: u.share.cfg.TransactionTimeout, RetryFor: u.share.cfg.TransactionTimeout / 2}
	if id := u.share.cfg.TransactionalID; id != nil {
		cfg.TransactionalID = id(u.partition)
	}
	return u.share.client.NewProducer(ctx, cfg)
}

// settle notes what has been committed, which makes room for more.
func (u *unit) settle(c *commit) {
	s := u.share
	u.last = time.Now()
	n := 0
	s.mu.Lock()
	for _, p := range c.parts {
		for _, d := range p.l.open[:p.n] {
			s.used -= d.bytes
			d.outcome = nil
		}
		p.l.open = slices.Delete(p.l.open, 0, p.n)
		p.l.stored, p.l.committed, p.l.note = p.offset, p.offset, p.note
		n += p.n
	}
	u.trouble = nil
	s.mu.Unlock()
	s.client.metrics.settled.Add(float64(n))
	for _, note := range c.notes {
		note.done <- nil
	}
	clear(c.records)
	signal(s.ready)
}
