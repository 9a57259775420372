package orgsim

import (
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"sfbridge/event"
)

// stored is one event on the bus. It does not change once appended.
type stored struct {
	counter  uint64 // its replay id as a number
	at       int64  // when it was stored, ms since the epoch
	entity   string // object or platform event
	uuid     string
	schemaID event.SchemaID
	payload  []byte  // once stored, a part of wire
	detail   *detail // what channels need to add fields or hide them; often nil
	wire     []byte  // the event as one field "events" of a FetchResponse
}

// appendConsumerEvent writes an event as field 1 (events) of a FetchResponse.
func appendConsumerEvent(dst []byte, uuid string, schemaID event.SchemaID, payload []byte, replay event.ReplayID) []byte {
	inner := protowire.SizeTag(1)*3 + protowire.SizeBytes(len(uuid)) + protowire.SizeBytes(len(schemaID)) + protowire.SizeBytes(len(payload))
	outer := protowire.SizeTag(1)*2 + protowire.SizeBytes(inner) + protowire.SizeBytes(len(replay))
	dst = protowire.AppendVarint(protowire.AppendTag(dst, 1, protowire.BytesType), uint64(outer))
	dst = protowire.AppendVarint(protowire.AppendTag(dst, 1, protowire.BytesType), uint64(inner))
	dst = protowire.AppendString(protowire.AppendTag(dst, 1, protowire.BytesType), uuid)
	dst = protowire.AppendString(protowire.AppendTag(dst, 2, protowire.BytesType), string(schemaID))
	dst = protowire.AppendBytes(protowire.AppendTag(dst, 3, protowire.BytesType), payload)
	return protowire.AppendBytes(protowire.AppendTag(dst, 2, protowire.BytesType), replay)
}

// bus is the org's event log: one order over all events, kept per entity,
// with replay ids that leave random gaps, and a retention.
type bus struct {
	retention time.Duration
	max       int
	idBytes   int

	mu      sync.RWMutex // guards all below
	rng     *rand.Rand
	last    uint64 // the last replay id given out
	lastAt  int64
	issued  queue[position]
	streams map[string]*queue[*stored]
	waiters map[string]map[*waiter]struct{}
}

// position is a replay id that was given out: to an event of an entity, or to
// what other tenants of the live service would have stored.
type position struct {
	counter uint64
	at      int64
	entity  string // empty for foreign events
}

// waiter is woken when an event of one of its entities is stored.
type waiter struct {
	wake     chan struct{} // holds one
	entities []string
}

// foreignEvery is how often a quiet bus moves on by itself: on the live
// service the events of others move the positions of everyone.
const foreignEvery = 10 * time.Second

func newBus(cfg *Config, rng *rand.Rand) *bus {
	b := &bus{
		retention: cfg.Retention, max: cfg.MaxEvents, idBytes: cfg.Switches.ReplayIDBytes, rng: rng,
		streams: map[string]*queue[*stored]{}, waiters: map[string]map[*waiter]struct{}{},
	}
	b.last = 1_000_000 + rng.Uint64N(1<<32)
	b.issue("", time.Now().UnixMilli())
	return b
}

// issue gives out the next replay id.
func (b *bus) issue(entity string, now int64) uint64 {
	b.last += 1 + b.rng.Uint64N(5)
	b.lastAt = now
	b.issued.push(position{counter: b.last, at: now, entity: entity})
	return b.last
}

// append stores an event and wakes who waits for its entity.
func (b *bus) append(e *stored) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.at = time.Now().UnixMilli()
	e.counter = b.issue(e.entity, e.at)
	e.wire = appendConsumerEvent(nil, e.uuid, e.schemaID, e.payload, replayID(e.counter, b.idBytes))
	tail := protowire.SizeTag(2) + protowire.SizeBytes(b.idBytes)
	e.payload = e.wire[len(e.wire)-tail-len(e.payload) : len(e.wire)-tail]
	s := b.streams[e.entity]
	if s == nil {
		s = &queue[*stored]{}
		b.streams[e.entity] = s
	}
	s.push(e)
	b.trim(e.at)
	for w := range b.waiters[e.entity] {
		w.signal()
	}
}

// trim forgets what is older than the retention or beyond the bound.
func (b *bus) trim(now int64) {
	oldest := now - b.retention.Milliseconds()
	for b.issued.len() > 1 && (b.issued.at(0).at < oldest || b.issued.len() > b.max) {
		if p := b.issued.pop(); p.entity != "" {
			b.streams[p.entity].pop()
		}
	}
}

// tip is the position after everything stored so far. On a quiet bus it moves
// on from time to time.
func (b *bus) tip() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now().UnixMilli()
	if now-b.lastAt >= foreignEvery.Milliseconds() {
		b.issue("", now)
	}
	b.trim(now)
	return b.last
}

// known tells whether a replay id was given out and is still retained.
func (b *bus) known(counter uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trim(time.Now().UnixMilli())
	i := sort.Search(b.issued.len(), func(i int) bool { return b.issued.at(i).counter >= counter })
	if i == b.issued.len() || b.issued.at(i).counter != counter {
		return false
	}
	return b.issued.at(i).at >= time.Now().UnixMilli()-b.retention.Milliseconds()
}

// earliest is a position before everything that is retained.
func (b *bus) earliest() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trim(time.Now().UnixMilli())
	return b.issued.at(0).counter - 1
}

// fetch gives up to limit events of the entities, in order, from the position
// on: those after it, or also the one at it when inclusive.
func (b *bus) fetch(entities []string, from uint64, inclusive bool, limit int) []*stored {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if !inclusive {
		from++
	}
	type head struct {
		q *queue[*stored]
		i int
	}
	var heads []head
	for _, name := range entities {
		q := b.streams[name]
		if q == nil || q.len() == 0 || q.at(q.len()-1).counter < from {
			continue
		}
		heads = append(heads, head{q, sort.Search(q.len(), func(i int) bool { return q.at(i).counter >= from })})
	}
	var out []*stored
	for len(heads) > 0 && len(out) < limit {
		best := 0
		for k := range heads {
			if heads[k].q.at(heads[k].i).counter < heads[best].q.at(heads[best].i).counter {
				best = k
			}
		}
		h := &heads[best]
		out = append(out, h.q.at(h.i))
		if h.i++; h.i == h.q.len() {
			heads = slices.Delete(heads, best, best+1)
		}
	}
	return out
}

// reset starts a new range of replay ids and forgets all events: the org
// moved to another instance.
func (b *bus) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.issued, b.streams = queue[position]{}, map[string]*queue[*stored]{}
	b.last += 1<<33 + b.rng.Uint64N(1<<33)
	b.issue("", time.Now().UnixMilli())
}

// size is the number of events retained.
func (b *bus) size() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	n := 0
	for _, q := range b.streams {
		n += q.len()
	}
	return n
}

func (b *bus) watch(entities []string) *waiter {
	w := &waiter{wake: make(chan struct{}, 1), entities: entities}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range entities {
		if b.waiters[name] == nil {
			b.waiters[name] = map[*waiter]struct{}{}
		}
		b.waiters[name][w] = struct{}{}
	}
	return w
}

func (b *bus) unwatch(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range w.entities {
		delete(b.waiters[name], w)
	}
}

func (w *waiter) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// queue is a first-in first-out list with access by index.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) len() int   { return len(q.items) - q.head }
func (q *queue[T]) at(i int) T { return q.items[q.head+i] }
func (q *queue[T]) push(v T)   { q.items = append(q.items, v) }

func (q *queue[T]) pop() T {
	v := q.items[q.head]
	var zero T
	q.items[q.head] = zero
	q.head++
	if q.head > 1024 && q.head*2 > len(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return v
}
