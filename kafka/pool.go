package kafka

import (
	"context"
	"sync"
	"time"
)

// idleTimeout is how long a connection may wait for its next use. Brokers close idle ones after ten minutes by default,
// load balancers and firewalls much earlier and without a word.
const idleTimeout = 60 * time.Second

// pool holds the connections of a client. A connection serves one request at a time, so that a long poll never delays
// anything else; how many there are follows from how many requests run at once.
type pool struct {
	dial func(ctx context.Context, addr string) (*conn, error)

	mu     sync.Mutex // guards what follows
	idle   map[string][]*conn
	open   map[*conn]struct{}
	closed bool
}

func newPool(dial func(context.Context, string) (*conn, error)) *pool {
	return &pool{dial: dial, idle: map[string][]*conn{}, open: map[*conn]struct{}{}}
}

// get returns a connection for the caller alone, and whether it had been used before.
func (p *pool) get(ctx context.Context, addr string) (cn *conn, used bool, err error) {
	cn, stale, err := p.takeIdle(addr, time.Now())
	for _, s := range stale {
		s.close()
	}
	if cn != nil || err != nil {
		return cn, cn != nil, err
	}
	if cn, err = p.dial(ctx, addr); err != nil {
		return nil, false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		cn.close()
		return nil, false, ErrClosed
	}
	p.open[cn] = struct{}{}
	return cn, false, nil
}

// takeIdle pops the connection used last, and whatever has waited too long or whose login is about to end.
func (p *pool) takeIdle(addr string, now time.Time) (cn *conn, stale []*conn, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, ErrClosed
	}
	list := p.idle[addr]
	for len(list) > 0 && cn == nil {
		last := list[len(list)-1]
		list = list[:len(list)-1]
		if last.stale(now) {
			stale = append(stale, last)
			delete(p.open, last)
			continue
		}
		cn = last
	}
	// The oldest are at the front; one look at each get is enough to let them go in time.
	for len(list) > 0 && list[0].stale(now) {
		stale = append(stale, list[0])
		delete(p.open, list[0])
		list = list[1:]
	}
	p.idle[addr] = list
	return cn, stale, nil
}

// put gives a connection back; a broken one is closed instead.
func (p *pool) put(cn *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || cn.broken.Load() {
		delete(p.open, cn)
		cn.close()
		return
	}
	cn.lastUsed = time.Now()
	p.idle[cn.addr] = append(p.idle[cn.addr], cn)
}

// dropIdle closes the idle connections to one broker: when one was found closed, the broker has most likely restarted.
func (p *pool) dropIdle(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, cn := range p.idle[addr] {
		delete(p.open, cn)
		cn.close()
	}
	delete(p.idle, addr)
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for cn := range p.open {
		cn.close()
	}
	clear(p.open)
	clear(p.idle)
}
