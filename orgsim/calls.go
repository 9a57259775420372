package orgsim

import (
	"sync"
	"time"

	"sfbridge/event"
)

// Call is one call that somebody made: a gRPC method or an HTTP request.
// Tokens and payloads are not in it.
type Call struct {
	ID        int64          `json:"id"`
	Method    string         `json:"method"` // Subscribe, GetSchema, or GET /services/data/...
	Channel   string         `json:"channel,omitempty"`
	Preset    string         `json:"preset,omitempty"` // LATEST, EARLIEST, CUSTOM
	ReplayID  event.ReplayID `json:"replay_id,omitempty"`
	SchemaID  event.SchemaID `json:"schema_id,omitempty"`
	UserID    string         `json:"user_id,omitempty"`
	Client    string         `json:"client,omitempty"` // user agent, or client of Sforce-Call-Options
	Metadata  []string       `json:"metadata,omitempty"`
	Start     time.Time      `json:"start"`
	End       time.Time      `json:"end,omitzero"` // zero while the call is open
	Status    string         `json:"status,omitempty"`
	ErrorCode string         `json:"error_code,omitempty"`

	Credits     []Credit      `json:"credits,omitempty"` // the last requests of a subscription
	Requests    int           `json:"requests,omitempty"`
	Responses   int           `json:"responses,omitempty"`
	Keepalives  int           `json:"keepalives,omitempty"`
	Events      int64         `json:"events,omitempty"`       // delivered or published
	LongestWait time.Duration `json:"longest_wait,omitempty"` // from a response that used up the credit to the next request
}

// Credit is one FetchRequest: how many events it asked for, and how many were
// outstanding after it.
type Credit struct {
	At          time.Time `json:"at"`
	Requested   int       `json:"requested"`
	Outstanding int       `json:"outstanding"`
}

// maxCredits bounds the credit history of one call.
const maxCredits = 256

// callLog is a bounded ring of calls.
type callLog struct {
	max int

	mu    sync.Mutex // guards all below, and the calls themselves
	next  int64
	calls queue[*Call]
}

// start puts a call into the log; it may be changed through update.
func (l *callLog) start(c Call) *Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	c.ID, c.Start = l.next, time.Now()
	l.calls.push(&c)
	if l.calls.len() > l.max {
		l.calls.pop()
	}
	return &c
}

func (l *callLog) update(c *Call, fn func(c *Call)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fn(c)
}

func (l *callLog) end(c *Call, status, errorCode string) {
	l.update(c, func(c *Call) { c.End, c.Status, c.ErrorCode = time.Now(), status, errorCode })
}

// LogCall records a call that is over, such as an HTTP request; ID, Start and
// End are filled when they are zero.
func (o *Org) LogCall(c Call) {
	start := c.Start
	rec := o.calls.start(c)
	o.calls.update(rec, func(c *Call) {
		if !start.IsZero() {
			c.Start = start
		}
		if c.End.IsZero() {
			c.End = time.Now()
		}
	})
}

// Calls copies the call log, oldest first.
func (o *Org) Calls() []Call {
	o.calls.mu.Lock()
	defer o.calls.mu.Unlock()
	out := make([]Call, o.calls.calls.len())
	for i := range out {
		out[i] = *o.calls.calls.at(i)
		out[i].Credits = append([]Credit(nil), out[i].Credits...)
	}
	return out
}

// OpenStreams is the number of streams in progress.
func (o *Org) OpenStreams() int { return o.streams.count() }
