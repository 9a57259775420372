package pipenet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// streamBytes is how much one direction holds before Write waits, in the range
// of a TCP socket's buffers.
const streamBytes = 256 << 10

// stream is one direction of a connection: a bounded queue of chunks.
type stream struct {
	mu   sync.Mutex
	cond sync.Cond // all waiting is here; woken on every change

	// Guarded by mu.
	chunks      []chunk
	size        int
	latency     time.Duration
	held        bool // blackholed: what is written stays under way
	writeClosed bool // the writer has closed: EOF after the last chunk
	readClosed  bool // the reader has closed
	broken      error
	readBy      deadline
	writeBy     deadline
}

// chunk is what one Write put on its way, and when it arrives.
type chunk struct {
	data []byte
	at   time.Time // zero: at once
}

// deadline is a point in time that wakes the stream's waiters.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func newStream(f *fault) *stream {
	s := &stream{}
	s.cond.L = &s.mu
	if f != nil {
		s.held, s.latency = f.blackhole, f.latency
	}
	return s
}

func (s *stream) read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.readClosed:
			return 0, net.ErrClosed
		case s.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		case s.broken != nil:
			return 0, s.broken
		case len(b) == 0:
			return 0, nil
		case s.held:
		case len(s.chunks) > 0:
			if wait := time.Until(s.chunks[0].at); wait > 0 {
				s.wakeAfter(wait)
				break
			}
			return s.take(b), nil
		case s.writeClosed:
			return 0, io.EOF
		}
		s.cond.Wait()
	}
}

// take copies arrived bytes into b and makes room for the writer.
func (s *stream) take(b []byte) int {
	n := 0
	now := time.Now()
	for n < len(b) && len(s.chunks) > 0 && !s.chunks[0].at.After(now) {
		c := &s.chunks[0]
		k := copy(b[n:], c.data)
		n += k
		if c.data = c.data[k:]; len(c.data) == 0 {
			s.chunks[0] = chunk{}
			s.chunks = s.chunks[1:]
		}
	}
	s.size -= n
	s.cond.Broadcast()
	return n
}

func (s *stream) write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := 0
	for {
		switch {
		case s.writeClosed:
			return done, net.ErrClosed
		case s.writeBy.passed():
			return done, os.ErrDeadlineExceeded
		case s.broken != nil:
			return done, s.broken
		case s.readClosed && !s.held:
			return done, syscall.EPIPE
		case done == len(b):
			return done, nil
		case s.size < streamBytes:
			done += s.put(b[done:])
			continue
		}
		s.cond.Wait()
	}
}

// put copies as much of b as there is room for: the caller owns b afterwards.
func (s *stream) put(b []byte) int {
	b = b[:min(len(b), streamBytes-s.size)]
	c := chunk{data: append([]byte(nil), b...)}
	if s.latency > 0 {
		c.at = time.Now().Add(s.latency)
	}
	s.chunks = append(s.chunks, c)
	s.size += len(b)
	s.cond.Broadcast()
	return len(b)
}

// wakeAfter wakes all waiters once; the timer needs no stopping.
func (s *stream) wakeAfter(d time.Duration) { time.AfterFunc(d, s.wake) }

// wake takes the lock first, so that a waiter that has just looked at the clock
// and not yet begun to wait is not passed over.
func (s *stream) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cond.Broadcast()
}

// change applies f and wakes the waiters.
func (s *stream) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.cond.Broadcast()
}

func (s *stream) closeWrite() {
	s.change(func() {
		s.writeClosed = true
		s.stop(&s.writeBy)
	})
}

func (s *stream) closeRead() {
	s.change(func() {
		s.readClosed = true
		s.chunks, s.size = nil, 0
		s.stop(&s.readBy)
	})
}

func (s *stream) breakWith(err error) {
	s.change(func() {
		if s.broken == nil {
			s.broken = err
			s.chunks, s.size = nil, 0
		}
	})
}

func (s *stream) stop(d *deadline) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

func (s *stream) setDeadline(d *deadline, t time.Time) {
	s.change(func() {
		s.stop(d)
		d.at = t
		if wait := time.Until(t); !t.IsZero() && wait > 0 {
			d.timer = time.AfterFunc(wait, s.wake)
		}
	})
}
