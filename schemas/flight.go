package schemas

import (
	"context"
	"errors"
	"sync"
	"time"
)

// flight finds values by key and keeps them: each is found once, however many
// wait for it. An error is kept for as long as the finder says.
type flight[K comparable, V any] struct {
	max int // entries; then any settled one is dropped

	mu      sync.Mutex
	entries map[K]*found[V] // guarded by mu
}

// found is a value, or an error for a while, or the promise of either.
type found[V any] struct {
	done  chan struct{} // closed when the rest is set
	value V
	err   error
	until time.Time // how long err is believed
}

func newFlight[K comparable, V any](max int) *flight[K, V] {
	return &flight[K, V]{max: max, entries: make(map[K]*found[V])}
}

// get gives the value of key. If it is new, find runs in the caller's own
// goroutine, so that nothing outlives its context; those who wait take over if
// that caller is called away.
func (f *flight[K, V]) get(ctx context.Context, key K, find func() (v V, keepError time.Duration, err error)) (V, error) {
	for {
		e, mine := f.entry(key)
		if mine {
			e.settle(find)
			return e.value, e.err
		}
		select {
		case <-e.done:
		case <-ctx.Done():
			var none V
			return none, ctx.Err()
		}
		if abandoned(e.err) && ctx.Err() == nil {
			continue
		}
		return e.value, e.err
	}
}

// settle runs find. Those who wait are let go even if it panics.
func (e *found[V]) settle(find func() (V, time.Duration, error)) {
	e.err = context.Canceled
	defer close(e.done)
	v, keep, err := find()
	e.value, e.err = v, err
	if err != nil && !abandoned(err) {
		e.until = time.Now().Add(keep)
	}
}

// abandoned tells whether err is that of a caller who stopped waiting.
func abandoned(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// entry finds the entry of key, or makes one that the caller has to settle.
func (f *flight[K, V]) entry(key K) (e *found[V], mine bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e, ok := f.entries[key]; ok && !e.stale() {
		return e, false
	}
	if len(f.entries) >= f.max {
		f.evict()
	}
	e = &found[V]{done: make(chan struct{})}
	f.entries[key] = e
	return e, true
}

// stale tells whether e holds an error that is no longer believed.
func (e *found[V]) stale() bool {
	select {
	case <-e.done:
		return e.err != nil && !time.Now().Before(e.until)
	default:
		return false
	}
}

// evict drops one settled entry, any: whoever uses more than max at once finds
// one again now and then. Callers hold mu.
func (f *flight[K, V]) evict() {
	for key, e := range f.entries {
		select {
		case <-e.done:
			delete(f.entries, key)
			return
		default:
		}
	}
}
