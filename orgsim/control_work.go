package orgsim

import (
	"context"
	"errors"
	"net/http"
	"sync"
)

// workers runs at most one Work at a time for the control API.
type workers struct {
	mu     sync.Mutex
	cancel context.CancelFunc // guarded by mu; nil before the first start
	done   chan struct{}      // guarded by mu; closed when the work is over
	counts WorkCounts         // written before done is closed
	err    error              // written before done is closed
}

// busy tells whether work goes on. The caller holds mu.
func (ws *workers) busy() bool {
	if ws.done == nil {
		return false
	}
	select {
	case <-ws.done:
		return false
	default:
		return true
	}
}

// stop ends the work and waits for it.
func (ws *workers) stop() {
	ws.mu.Lock()
	cancel, done := ws.cancel, ws.done
	ws.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

// status shows whether work goes on and, once it is over, what was done.
func (ws *workers) status() map[string]any {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	out := map[string]any{"running": ws.busy()}
	if ws.done != nil && !ws.busy() {
		out["counts"] = ws.counts
		if ws.err != nil {
			out["error"] = ws.err.Error()
		}
	}
	return out
}

// workStatus tells whether people are at work.
func (k *control) workStatus(*http.Request) (any, error) { return k.work.status(), nil }

// workStart lets people work until they are stopped.
func (k *control) workStart(r *http.Request) (any, error) {
	var in struct {
		Rate    float64  `yaml:"rate"`
		Seed    uint64   `yaml:"seed"`
		Objects []string `yaml:"objects"`
		Changes int64    `yaml:"changes"`
		MaxRows int      `yaml:"max_rows"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	ws := &k.work
	ws.mu.Lock()
	if ws.busy() {
		ws.mu.Unlock()
		return nil, errors.New("people are at work already: stop them first")
	}
	ctx, cancel := context.WithCancel(context.Background()) // outlives the request on purpose
	done := make(chan struct{})
	ws.cancel, ws.done = cancel, done
	ws.mu.Unlock()
	go func() {
		defer close(done)
		defer cancel()
		ws.counts, ws.err = k.org.Work(ctx, WorkConfig{Rate: in.Rate, Seed: in.Seed, Objects: in.Objects, Changes: in.Changes, MaxRows: in.MaxRows})
	}()
	return ws.status(), nil
}

// workStop sends people home and tells what they did.
func (k *control) workStop(*http.Request) (any, error) {
	k.work.stop()
	return k.work.status(), nil
}
