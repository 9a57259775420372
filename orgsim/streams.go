package orgsim

import (
	"context"
	"sync"
)

// endReason says why the org ends a stream.
type endReason int

const (
	endUnavailable endReason = iota // the service restarts or the org moves
	endRevoked                      // the token was revoked
	endClosed                       // the simulator closes
)

// streams knows the open streams, so that they can be ended from outside.
type streams struct {
	mu     sync.Mutex // guards all below
	open   map[*openStream]struct{}
	closed bool
}

// openStream is one stream in progress.
type openStream struct {
	cancel context.CancelFunc
	mu     sync.Mutex
	reason endReason
	ended  bool
}

// start registers a stream; the context ends when the stream is to end.
func (s *streams) start(ctx context.Context) (context.Context, *openStream) {
	ctx, cancel := context.WithCancel(ctx)
	st := &openStream{cancel: cancel}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[*openStream]struct{}{}
	}
	s.open[st] = struct{}{}
	if s.closed {
		st.end(endClosed)
	}
	return ctx, st
}

func (s *streams) stop(st *openStream) {
	st.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, st)
}

func (s *streams) endAll(reason endReason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for st := range s.open {
		st.end(reason)
	}
}

func (s *streams) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.endAll(endClosed)
}

// count is the number of open streams.
func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

func (st *openStream) end(reason endReason) {
	st.mu.Lock()
	if !st.ended {
		st.ended, st.reason = true, reason
	}
	st.mu.Unlock()
	st.cancel()
}

// why tells whether the org ended the stream, and why.
func (st *openStream) why() (endReason, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.reason, st.ended
}
