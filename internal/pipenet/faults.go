package pipenet

import (
	"context"
	"syscall"
	"time"

	"sfbridge/internal/backoff"
)

// fault is what is wrong with an address at the moment.
type fault struct {
	blackhole bool
	refuse    bool
	latency   time.Duration
	healed    chan struct{} // closed when the fault ends
}

// Cut resets all connections to addr. The listener stays, so that a new dial
// succeeds.
func (n *Network) Cut(addr string) {
	for _, p := range n.pairsOf(canonical(addr)) {
		p.reset()
	}
}

// Blackhole lets nothing through to or from addr and tells nobody: writes
// succeed until the buffers are full, reads wait, dials hang. Heal delivers
// what was under way, as TCP's repeats do.
func (n *Network) Blackhole(addr string) {
	n.setFault(canonical(addr), func(f *fault) { f.blackhole = true })
}

// Refuse makes new dials to addr fail, as if nobody listened. Open connections
// go on.
func (n *Network) Refuse(addr string) {
	n.setFault(canonical(addr), func(f *fault) { f.refuse = true })
}

// Latency delays every byte to and from addr by d, one way, on connections open
// now and later. A dial takes one round trip.
func (n *Network) Latency(addr string, d time.Duration) {
	n.setFault(canonical(addr), func(f *fault) { f.latency = d })
}

// Heal ends every fault of addr, latency too.
func (n *Network) Heal(addr string) {
	key := canonical(addr)
	n.mu.Lock()
	f := n.faults[key]
	delete(n.faults, key)
	n.mu.Unlock()
	if f != nil {
		close(f.healed)
	}
	n.apply(key, fault{})
}

func (n *Network) setFault(key string, change func(*fault)) {
	n.mu.Lock()
	f := n.faults[key]
	if f == nil {
		f = &fault{healed: make(chan struct{})}
		n.faults[key] = f
	}
	change(f)
	now := *f
	n.mu.Unlock()
	n.apply(key, now)
}

// apply gives the open connections of key the state of a fault.
func (n *Network) apply(key string, f fault) {
	for _, p := range n.pairsOf(key) {
		for _, s := range []*stream{p.near.in, p.near.out} {
			s.change(func() { s.held, s.latency = f.blackhole, f.latency })
		}
	}
}

func (n *Network) pairsOf(key string) []*pair {
	n.mu.Lock()
	defer n.mu.Unlock()
	pairs := make([]*pair, 0, len(n.pairs[key]))
	for p := range n.pairs[key] {
		pairs = append(pairs, p)
	}
	return pairs
}

// waitReachable holds a dial back as the address's fault demands.
func (n *Network) waitReachable(ctx context.Context, key string) error {
	for {
		n.mu.Lock()
		f := n.faults[key]
		var now fault
		if f != nil {
			now = *f
		}
		n.mu.Unlock()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case now.blackhole:
			select {
			case <-now.healed:
			case <-ctx.Done():
			}
			continue
		case now.refuse:
			return syscall.ECONNREFUSED
		case now.latency > 0:
			return backoff.Sleep(ctx, 2*now.latency)
		}
		return nil
	}
}
