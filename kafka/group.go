package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// GroupConfig says which group to join, and what for.
type GroupConfig struct {
	Group string
	// Topic whose partitions are shared out. It must exist.
	Topic string
	// With are topics that go along with Topic: the assignment lists, for each partition of Topic, the partitions of the
	// same number that these have, so that tools show who reads them.
	With []string
	// UserData is shown to whoever describes the group.
	UserData []byte
	// SessionTimeout is how long the coordinator waits for a silent member before it gives its partitions to others.
	// Default 10 s.
	SessionTimeout time.Duration
	// RebalanceTimeout is how long the coordinator waits, once a rebalance has begun, for a member to come back to Next.
	// Default 30 s beyond the time between two heartbeats, since a member hears of the rebalance with one of these.
	RebalanceTimeout time.Duration
}

// Group is this process's membership of a consumer group: it shares out partitions and does nothing else. Next and Close
// may be called from different goroutines.
type Group struct {
	client *Client
	cfg    GroupConfig
	key    coordinatorKey
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	next sync.Mutex // one Next at a time; guards gen and owned
	gen  *Generation
	// owned are the partitions of the generation before, named when joining again so that the leader may leave them.
	owned []int32

	mu       sync.Mutex // guards what follows
	memberID string
	closed   bool
}

// Generation is one assignment. Its work must stop when Done closes; then the caller goes back to Next, within the
// rebalance timeout.
type Generation struct {
	ID         int32
	MemberID   string
	Partitions []int32 // sorted; may be empty
	// Done closes when the group rebalances, when the membership is lost, and when the group is closed.
	Done <-chan struct{}

	group   *Group
	done    chan struct{}
	once    sync.Once
	stop    context.CancelFunc // of the heartbeat
	stopped chan struct{}      // closed when the heartbeat has ended
	watched chan struct{}      // closed when the watch over the number of partitions has ended; nil without
	mu      sync.Mutex         // guards what follows
	err     error
	hold    hold
}

// JoinGroup checks the topic and prepares a membership; Next does the joining.
func (c *Client) JoinGroup(ctx context.Context, cfg GroupConfig) (*Group, error) {
	if cfg.SessionTimeout == 0 {
		cfg.SessionTimeout = 10 * time.Second
	}
	if cfg.RebalanceTimeout == 0 {
		cfg.RebalanceTimeout = 30*time.Second + heartbeatEvery(cfg.SessionTimeout)
	}
	if _, err := c.topicSoon(ctx, cfg.Topic); err != nil {
		return nil, fmt.Errorf("join group %s: %w", cfg.Group, err)
	}
	g := &Group{client: c, cfg: cfg, key: coordinatorKey{cfg.Group, groupCoordinator}}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		g.cancel()
		return nil, ErrClosed
	}
	c.groups[g] = struct{}{}
	return g, nil
}

// Next ends the generation before and blocks until the group has given this member its share. An error is final for this
// call only: ctx ended, the group is closed, or the coordinator refuses for a reason that does not pass by itself.
func (g *Group) Next(ctx context.Context) (*Generation, error) {
	g.next.Lock()
	defer g.next.Unlock()
	if g.gen != nil {
		g.owned = g.gen.Partitions
		if errors.Is(g.gen.Err(), ErrLost) {
			g.owned = nil
		}
		g.gen.end(nil)
		g.gen = nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(g.ctx, cancel)()

	wait := newWaiter(50*time.Millisecond, 2*time.Second)
	for {
		gen, err := g.join(ctx)
		if err == nil {
			g.client.metrics.generations.Inc()
			g.gen = gen
			return gen, nil
		}
		if g.ctx.Err() != nil {
			return nil, fmt.Errorf("group %s: %w", g.cfg.Group, ErrClosed)
		}
		if !g.rejoin(err) {
			return nil, fmt.Errorf("join group %s: %w", g.cfg.Group, err)
		}
		g.client.log.Log(ctx, wait.level(), "group not joined yet, trying again", "group", g.cfg.Group, "err", err)
		if code, _ := codeOf(err); code == kafkago.MemberIDRequired {
			continue // the coordinator has just given us one
		}
		switch werr := wait.wait(ctx); {
		case g.ctx.Err() != nil:
			return nil, fmt.Errorf("group %s: %w", g.cfg.Group, ErrClosed)
		case werr != nil:
			return nil, fmt.Errorf("join group %s: %w", g.cfg.Group, join(werr, err))
		}
	}
}

// rejoin reports whether joining anew can help.
func (g *Group) rejoin(err error) bool {
	code, _ := codeOf(err)
	g.forget(g.member(), code)
	switch code {
	case kafkago.UnknownMemberId, kafkago.FencedInstanceID, kafkago.MemberIDRequired, kafkago.RebalanceInProgress, kafkago.IllegalGeneration:
		return true
	}
	return Retryable(err)
}

// forget drops a member id that the coordinator has dropped, unless another has taken its place already.
func (g *Group) forget(id string, code kafkago.Error) {
	if code != kafkago.UnknownMemberId && code != kafkago.FencedInstanceID {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.memberID == id {
		g.memberID = ""
	}
}

func (g *Group) setMember(id string) {
	g.mu.Lock()
	g.memberID = id
	g.mu.Unlock()
}

func (g *Group) member() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.memberID
}

// Close ends the current generation and leaves the group at once, so that others take over without waiting for the
// session to time out. It may be called twice.
func (g *Group) Close() error {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return nil
	}
	g.closed = true
	g.mu.Unlock()
	g.cancel()
	g.next.Lock() // a Next under way returns now
	defer g.next.Unlock()
	if g.gen != nil {
		g.gen.end(ErrClosed)
		g.gen = nil
	}
	g.client.mu.Lock()
	delete(g.client.groups, g)
	g.client.mu.Unlock()
	return g.leave()
}

func (g *Group) leave() error {
	id := g.member()
	if id == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	addr, err := g.client.coordinator(ctx, g.key)
	if err == nil {
		err = g.client.leaveGroup(ctx, addr, g.cfg.Group, id)
	}
	if code, _ := codeOf(err); code == kafkago.UnknownMemberId {
		return nil // removed already
	}
	if err != nil {
		return fmt.Errorf("leave group %s: %w", g.cfg.Group, err)
	}
	return nil
}

// Close leaves the group: the same as the group's Close.
func (gen *Generation) Close() error { return gen.group.Close() }

// Err tells why Done closed: nil for a rebalance, ErrLost, or ErrClosed.
func (gen *Generation) Err() error {
	gen.mu.Lock()
	defer gen.mu.Unlock()
	return gen.err
}

// finish closes Done.
func (gen *Generation) finish(err error) {
	gen.once.Do(func() {
		gen.mu.Lock()
		gen.err = err
		gen.hold.over = gen.hold.over || err != nil
		gen.mu.Unlock()
		close(gen.done)
	})
}

// end closes Done and stops the heartbeat.
func (gen *Generation) end(err error) {
	gen.finish(err)
	gen.giveUp()
	gen.stop()
	<-gen.stopped
	if gen.watched != nil {
		<-gen.watched
	}
}
