package orgsim

import (
	"time"

	"google.golang.org/grpc/codes"

	"sfbridge/event"
	"sfbridge/pubsub/pubsubpb"
)

// feed is where a subscription takes its events from. One goroutine uses it.
type feed interface {
	// start sets the position, or says why it is refused.
	start(preset pubsubpb.ReplayPreset, replayID []byte) *rpcError
	// fill appends up to limit encoded events to dst and moves on past them.
	fill(dst []byte, limit, maxBytes int) (out []byte, n int)
	// latest is the position after what fill gave last.
	latest() event.ReplayID
	// idle moves past foreign events and gives the position; false when there
	// are events to deliver after all.
	idle() (event.ReplayID, bool)
	// wake tells when there may be events.
	wake() <-chan struct{}
	close()
}

// busFeed reads a channel from the bus.
type busFeed struct {
	org      *Org
	view     view
	hidden   map[string][]string
	w        *waiter
	opened   time.Time
	settle   time.Duration // what is stored so soon after the opening is missed
	after    uint64        // position: the last event taken from the bus
	lastSent uint64
	pending  []delivery
	// garble spoils the next event, once.
	garble func(e *stored) []byte
}

func newBusFeed(o *Org, v view, access Access) *busFeed {
	v = v.without(access)
	return &busFeed{org: o, view: v, hidden: access.Hidden, w: o.bus.watch(v.entities), opened: time.Now()}
}

func (f *busFeed) start(preset pubsubpb.ReplayPreset, replayID []byte) *rpcError {
	bus := f.org.bus
	switch preset {
	case pubsubpb.ReplayPreset_EARLIEST:
		f.after = bus.earliest()
	case pubsubpb.ReplayPreset_CUSTOM:
		if len(replayID) == 0 {
			return refuse(codes.InvalidArgument, "subscription.fetch.replayid.validation.failed",
				"The replay ID validation failed. Provide a replay ID with the replay preset CUSTOM.")
		}
		counter, ok := parseReplayID(replayID, bus.idBytes)
		if !ok || !bus.known(counter) {
			return refuse(codes.InvalidArgument, "subscription.fetch.replayid.corrupted",
				"The replay ID validation failed. Ensure that the replay ID is valid and within the retention window.")
		}
		f.after = counter
	default:
		f.after, f.settle = bus.tip(), f.org.cfg.LatestSettle
	}
	f.lastSent = f.after
	return nil
}

// rewind goes back over up to n events, which will be delivered again.
func (f *busFeed) rewind(n int) {
	events := f.org.bus.fetch(f.view.entities, 0, true, f.org.cfg.MaxEvents)
	at := len(events)
	for at > 0 && (n > 0 || events[at-1].counter > f.after) {
		at--
		if events[at].counter <= f.after {
			n--
		}
	}
	if at < len(events) && events[at].counter <= f.after {
		f.after = events[at].counter - 1
	}
}

// take reads up to limit events from the bus into pending.
func (f *busFeed) take(limit int) {
	for _, e := range f.org.bus.fetch(f.view.entities, f.after, false, limit) {
		f.after = e.counter
		if settled(e.at, f.opened, f.settle) {
			f.pending = append(f.pending, f.org.render(e, f.view.enriched[e.entity], f.hidden[e.entity])...)
		}
	}
}

func (f *busFeed) fill(dst []byte, limit, maxBytes int) ([]byte, int) {
	if len(f.pending) == 0 {
		f.take(limit)
	}
	n := 0
	for ; n < len(f.pending) && n < limit; n++ {
		d := f.pending[n]
		if f.garble != nil {
			d.wire = f.garble(d.of)
			f.garble = nil
		}
		if n > 0 && len(dst)+len(d.wire) > maxBytes {
			break
		}
		dst = append(dst, d.wire...)
		f.lastSent = d.of.counter
	}
	f.pending = f.pending[n:]
	if len(f.pending) == 0 {
		f.pending = nil
	}
	return dst, n
}

func (f *busFeed) latest() event.ReplayID {
	counter := f.lastSent
	if f.org.cfg.Switches.LatestBeyondEvents && len(f.pending) == 0 {
		if tip, ok := f.quietTip(); ok {
			counter = tip
		}
	}
	return replayID(counter, f.org.bus.idBytes)
}

// quietTip moves the position to the tip of the bus when nothing for this
// channel lies before it.
func (f *busFeed) quietTip() (uint64, bool) {
	tip := f.org.bus.tip()
	if e := f.org.bus.fetch(f.view.entities, f.after, false, 1); len(e) > 0 && e[0].counter <= tip {
		return 0, false
	}
	f.after = max(f.after, tip)
	f.lastSent = f.after
	return f.after, true
}

func (f *busFeed) idle() (event.ReplayID, bool) {
	if len(f.pending) > 0 {
		return nil, false
	}
	tip, ok := f.quietTip()
	if !ok {
		return nil, false
	}
	return replayID(tip, f.org.bus.idBytes), true
}

func (f *busFeed) wake() <-chan struct{} { return f.w.wake }
func (f *busFeed) close()                { f.org.bus.unwatch(f.w) }
