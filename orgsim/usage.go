package orgsim

import (
	"sync"
	"time"
)

// usage counts deliveries over a rolling day and publications over a rolling
// hour, in slots.
type usage struct {
	mu        sync.Mutex // guards all below
	delivered rolling
	published rolling
}

func newUsage() *usage {
	return &usage{delivered: rolling{width: 10 * time.Minute, slots: 144}, published: rolling{width: time.Minute, slots: 60}}
}

func (u *usage) deliver(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.delivered.add(time.Now(), int64(n))
}

func (u *usage) publish(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.published.add(time.Now(), int64(n))
}

// Delivered is the number of events delivered to subscribers in the last 24
// hours, each subscriber counted.
func (o *Org) Delivered() int64 {
	o.usage.mu.Lock()
	defer o.usage.mu.Unlock()
	return o.usage.delivered.sum(time.Now())
}

// Published is the number of platform events published in the last hour.
func (o *Org) Published() int64 {
	o.usage.mu.Lock()
	defer o.usage.mu.Unlock()
	return o.usage.published.sum(time.Now())
}

// rolling sums what happened in the last slots times width.
type rolling struct {
	width time.Duration
	slots int
	q     queue[slot]
	total int64
}

type slot struct {
	at int64 // number of the slot since the epoch
	n  int64
}

func (r *rolling) add(now time.Time, n int64) {
	r.sum(now)
	at := now.UnixNano() / int64(r.width)
	if l := r.q.len(); l > 0 && r.q.at(l-1).at == at {
		r.q.items[r.q.head+l-1].n += n
	} else {
		r.q.push(slot{at: at, n: n})
	}
	r.total += n
}

func (r *rolling) sum(now time.Time) int64 {
	oldest := now.UnixNano()/int64(r.width) - int64(r.slots)
	for r.q.len() > 0 && r.q.at(0).at <= oldest {
		r.total -= r.q.pop().n
	}
	return r.total
}
