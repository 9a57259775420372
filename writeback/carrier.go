package writeback

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sfbridge/internal/flow"
	"sfbridge/kafka"
)

// share is what a carrier needs of a *kafka.Share.
type share interface {
	noter
	Poll(ctx context.Context) ([]*kafka.Delivery, error)
	Delivered() int64
	Notes() map[kafka.TopicPartition]string
	Held() bool
	Done() <-chan struct{}
	Err() error
	Trouble() error
	Close(ctx context.Context) error
}

// carrier carries one share of the topic: an intake goroutine maps records, the
// goroutine of run owns all that waits and says what is called when, and each
// call has a goroutine of its own.
type carrier struct {
	f       *Flow
	share   share
	notes   *notebook
	before  map[kafka.TopicPartition]note // of the owner before
	settler *settler
	met     *metrics

	sched  *scheduler
	pace   *pace
	budget budget
	target *target // that waiting rows are made for
	over   bool    // nothing is begun any more

	arrivals chan []*item
	reports  chan report
	pokes    chan struct{} // something outside has changed
	ended    chan error    // of the intake
	work     sync.WaitGroup

	calling  context.Context // of calls; ends when the share's time to finish them is over
	began    time.Time
	looked   time.Time              // at the limits
	probing  atomic.Bool            // a look at the limits is under way
	lastWell atomic.Int64           // when a row was written, in Unix nanoseconds
	troubled atomic.Pointer[string] // what the intake waits for
	inFlight atomic.Int64           // rows in calls
	handed   atomic.Int64           // records that the intake is done with
}

func (f *Flow) newCarrier(s share) *carrier {
	c := &carrier{
		f: f, share: s, notes: newNotebook(s), met: f.met, settler: newSettler(f),
		sched: newScheduler(&f.cfg), pace: newPace(f.cfg.InFlight),
		budget: budget{reserve: f.cfg.Reserve, scarce: f.cfg.Scarce}, target: f.target.Load(),
		before: map[kafka.TopicPartition]note{}, began: time.Now(),
		arrivals: make(chan []*item), reports: make(chan report), pokes: make(chan struct{}, 1), ended: make(chan error, 1),
	}
	c.sched.bulkTakes = f.bulkTakes
	return c
}

// trouble tells people what the intake waits for, "" for nothing.
func (c *carrier) trouble(text string) {
	if text == "" {
		c.troubled.Store(nil)
	} else {
		c.troubled.Store(&text)
	}
	c.poke()
}

// poke makes the loop look around.
func (c *carrier) poke() {
	select {
	case c.pokes <- struct{}{}:
	default:
	}
}

// readNotes takes over what the owner before left: its jobs are ended before
// anything is written, since they would write older values.
func (c *carrier) readNotes(ctx context.Context) error {
	jobs := map[string]struct{}{}
	for tp, text := range c.share.Notes() {
		n, err := readNote(text)
		if err != nil {
			return fmt.Errorf("%s partition %d: %w; commit the group's offsets anew, with no metadata, to go on without it", tp.Topic, tp.Partition, err)
		}
		c.before[tp] = n
		c.notes.adopt(tp, text, &n)
		for _, id := range n.Jobs {
			jobs[id] = struct{}{}
		}
	}
	ids := make([]string, 0, len(jobs))
	for id := range jobs {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil
	}
	c.f.state.Set(flow.Running, fmt.Sprintf("ends %d bulk jobs of the owner before", len(ids)), time.Time{})
	if err := c.f.endJobs(ctx, ids); err != nil {
		return err
	}
	c.notes.jobsEnded(ids)
	return nil
}

// run carries the share until it is over or ctx ends, and gives it back in
// order. An error needs a person.
func (c *carrier) run(ctx context.Context) error {
	taking, stop := context.WithCancel(ctx)
	defer stop()
	go func() { // the share's end ends the intake and the waits before it
		select {
		case <-c.share.Done():
			stop()
		case <-taking.Done():
		}
	}()
	err := c.readNotes(taking)
	if err == nil {
		err = c.carry(taking, stop)
	} else if taking.Err() != nil {
		err = nil
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.f.cfg.Drain)
	defer cancel()
	if closed := c.share.Close(closing); closed != nil && err == nil {
		c.f.log.Warn("share given back with outcomes that are not committed; their records are applied again", "err", closed)
	}
	return errors.Join(err, fatal(c.share.Err()))
}

// fatal is the reason of a share's end if it needs a person.
func fatal(err error) error {
	if err == nil || errors.Is(err, kafka.ErrLost) || errors.Is(err, kafka.ErrFenced) || errors.Is(err, kafka.ErrClosed) {
		return nil
	}
	return err
}

// carry runs intake and calls until the share is over, and then waits for the
// calls that are under way: ordinary ones are left to end for as long as Drain,
// bulk jobs are aborted at once.
func (c *carrier) carry(taking context.Context, stop func()) error {
	var cancel context.CancelFunc
	c.calling, cancel = context.WithCancel(context.WithoutCancel(taking))
	defer cancel()
	c.work.Go(func() {
		err := c.intake(taking)
		if taking.Err() != nil || errors.Is(err, kafka.ErrShareOver) {
			err = nil
		}
		c.ended <- err
	})
	err := c.loop(taking)
	stop()
	c.over = true
	limit := time.AfterFunc(c.f.cfg.Drain, cancel)
	defer limit.Stop()
	if c.share.Err() != nil { // nothing can be committed, so nothing is worth a wait
		cancel()
	}
	done := make(chan struct{})
	go func() {
		c.work.Wait()
		close(done)
	}()
	for {
		select {
		case rep := <-c.reports:
			c.finished(rep)
		case <-c.arrivals:
		case <-done:
			c.giveBack(taking)
			return err
		}
	}
}

// giveBack leaves notes that say no more than is true, if the share can still
// be written to.
func (c *carrier) giveBack(taking context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(taking), 5*time.Second)
	defer cancel()
	if err := c.notes.flush(ctx); err != nil && !errors.Is(err, kafka.ErrShareOver) {
		c.f.log.Debug("notes not brought up to date", "err", err)
	}
}
