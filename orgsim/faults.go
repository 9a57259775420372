package orgsim

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
)

// FaultKind is what goes wrong.
type FaultKind string

// The faults of the Pub/Sub API.
const (
	FaultStall         FaultKind = "stall"          // the stream stays open and silent, without keepalives, for Delay or for ever
	FaultBlackhole     FaultKind = "blackhole"      // the connection goes half-open: nothing comes, nothing is read
	FaultDisconnect    FaultKind = "disconnect"     // the connection is cut
	FaultReset         FaultKind = "rst"            // RST_STREAM with NO_ERROR, without trailers
	FaultGoAway        FaultKind = "goaway"         // GOAWAY, then the connection closes after Delay
	FaultEnd           FaultKind = "end"            // the stream ends with status OK
	FaultStatus        FaultKind = "status"         // the call fails with Status and ErrorCode
	FaultSlow          FaultKind = "slow"           // a response, or a call that opens, waits for Delay
	FaultGarbage       FaultKind = "garbage"        // an event's payload is bytes that do not decode
	FaultUnknownSchema FaultKind = "unknown_schema" // an event names a schema that GetSchema does not know
	FaultRedeliver     FaultKind = "redeliver"      // a call that resumes gets Events events again
	FaultMoveOrg       FaultKind = "org_moved"      // new replay ids; all old ones are invalid, all streams end
	FaultRevoke        FaultKind = "revoke"         // all tokens are revoked and all streams end
	FaultRestart       FaultKind = "restart"        // all streams of the org end with service.unavailable
	FaultPublish       FaultKind = "publish_error"  // a published event is refused in its result, with Message
)

// When in the life of a call a fault strikes.
const (
	OnEvent = "event" // between events; the default
	OnFirst = "first" // in place of the first response after a successful opening
	OnOpen  = "open"  // when the call is opened
)

// Fault is one thing that goes wrong on demand. It strikes once, or Count
// times, in a call that fits Method and Channel.
type Fault struct {
	Kind    FaultKind `yaml:"kind" json:"kind"`
	On      string    `yaml:"on" json:"on,omitempty"`           // event, first or open
	Method  string    `yaml:"method" json:"method,omitempty"`   // with On open: GetTopic, Subscribe, ...; empty = any
	Channel string    `yaml:"channel" json:"channel,omitempty"` // empty = any

	At    time.Duration `yaml:"at" json:"at,omitempty"`       // not before this long after it was injected
	After int           `yaml:"after" json:"after,omitempty"` // events (On event) or calls that go well first
	Count int           `yaml:"count" json:"count,omitempty"` // times it strikes; 0 = once, negative = for ever
	Every int           `yaml:"every" json:"every,omitempty"` // events or calls that go well between two strikes

	Delay     time.Duration `yaml:"delay" json:"delay,omitempty"`
	Status    string        `yaml:"status" json:"status,omitempty"`         // gRPC status such as UNAVAILABLE; default by ErrorCode
	ErrorCode string        `yaml:"error_code" json:"error_code,omitempty"` // without the prefix; empty = no trailer
	Message   string        `yaml:"message" json:"message,omitempty"`
	Events    int           `yaml:"events" json:"events,omitempty"` // with redeliver; default 1
}

func (f *Fault) check() error {
	kinds := []FaultKind{
		FaultStall, FaultBlackhole, FaultDisconnect, FaultReset, FaultGoAway, FaultEnd, FaultStatus, FaultSlow,
		FaultGarbage, FaultUnknownSchema, FaultRedeliver, FaultMoveOrg, FaultRevoke, FaultRestart, FaultPublish,
	}
	if !slices.Contains(kinds, f.Kind) {
		return fmt.Errorf("fault kind %q: want one of %v", f.Kind, kinds)
	}
	if f.On == "" {
		f.On = OnEvent
	}
	if !slices.Contains([]string{OnEvent, OnFirst, OnOpen}, f.On) {
		return fmt.Errorf("fault %s: on %q: want event, first or open", f.Kind, f.On)
	}
	if f.On == OnOpen && !slices.Contains([]FaultKind{FaultStatus, FaultSlow, FaultDisconnect, FaultBlackhole, FaultRevoke, FaultMoveOrg}, f.Kind) {
		return fmt.Errorf("fault %s: it cannot strike when a call opens", f.Kind)
	}
	if f.Kind == FaultRedeliver {
		f.Events = max(1, f.Events)
	}
	if f.Count == 0 {
		f.Count = 1
	}
	if _, err := f.statusCode(); err != nil {
		return err
	}
	return nil
}

// statusCode is the gRPC status of the fault.
func (f *Fault) statusCode() (codes.Code, error) {
	if f.Status == "" {
		return defaultStatus(f.ErrorCode), nil
	}
	var c codes.Code
	if err := c.UnmarshalJSON([]byte(`"` + strings.ToUpper(f.Status) + `"`)); err != nil {
		return c, fmt.Errorf("fault %s: status %q: want a gRPC status such as UNAVAILABLE", f.Kind, f.Status)
	}
	return c, nil
}

// defaultStatus is the gRPC status that goes with an error code.
func defaultStatus(code string) codes.Code {
	has := func(part string) bool { return strings.Contains(code, part) }
	switch {
	case code == "":
		return codes.Unavailable
	case has("service.auth"), has("auth.refresh"):
		return codes.Unauthenticated
	case has("replay.repeated"), has("internal.error"), code == "service.unavailable":
		return codes.Internal
	case has("protection"), has("limit.exceeded"), has("overflow"):
		return codes.ResourceExhausted
	case has("license"), has("permission"), has("cannot.subscribe"):
		return codes.PermissionDenied
	case has("api.unavailable"):
		return codes.Unavailable
	case has("not.found"):
		return codes.NotFound
	case has("sweeper"):
		return codes.Canceled
	}
	return codes.InvalidArgument
}

func (f *Fault) refusal() *rpcError {
	status, _ := f.statusCode() // checked when it was injected
	text := f.Message
	if text == "" {
		text = "The simulator was told to fail."
	}
	return &rpcError{status: status, code: f.ErrorCode, text: text}
}

// faults are the faults that wait for their moment.
type faults struct {
	mu   sync.Mutex // guards all below
	list []*pendingFault
	wake chan struct{} // closed when the list changes
}

type pendingFault struct {
	Fault
	from time.Time // when it may strike first
	left int       // events or calls that go well before it strikes
}

// Inject arms a fault.
func (o *Org) Inject(f Fault) error {
	if err := f.check(); err != nil {
		return fmt.Errorf("inject: %w", err)
	}
	fs := &o.faults
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = append(fs.list, &pendingFault{Fault: f, from: time.Now().Add(f.At), left: f.After})
	fs.notify()
	return nil
}

// Heal takes back every fault that still waits.
func (o *Org) Heal() {
	o.faults.mu.Lock()
	defer o.faults.mu.Unlock()
	o.faults.list = nil
	o.faults.notify()
}

// Faults lists what waits; Count is what is left of it.
func (o *Org) Faults() []Fault {
	o.faults.mu.Lock()
	defer o.faults.mu.Unlock()
	out := make([]Fault, len(o.faults.list))
	for i, f := range o.faults.list {
		out[i] = f.Fault
	}
	return out
}

func (fs *faults) notify() {
	if fs.wake != nil {
		close(fs.wake)
	}
	fs.wake = make(chan struct{})
}

// changed gives a channel that is closed when a fault is injected.
func (fs *faults) changed() <-chan struct{} {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.wake == nil {
		fs.wake = make(chan struct{})
	}
	return fs.wake
}

// untilNext is how long until a fault comes that waits for its time.
func (fs *faults) untilNext() time.Duration {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	next := time.Duration(math.MaxInt64)
	for _, f := range fs.list {
		if d := time.Until(f.from); d > 0 {
			next = min(next, d)
		}
	}
	return next
}

func (f *pendingFault) fits(on, channel string) bool {
	return f.On == on && (f.Channel == "" || f.Channel == channel) && !time.Now().Before(f.from)
}

// use counts a strike, and takes the fault off when it was the last.
func (fs *faults) use(f *pendingFault) Fault {
	f.left = f.Every
	if f.Count > 0 {
		if f.Count--; f.Count == 0 {
			fs.list = slices.DeleteFunc(fs.list, func(g *pendingFault) bool { return g == f })
		}
	}
	return f.Fault
}

// open applies the faults that strike when a call opens.
func (fs *faults) open(ctx context.Context, o *Org, method, channel string) *rpcError {
	f, ok := fs.pick(OnOpen, method, channel)
	if !ok {
		return nil
	}
	if f.Delay > 0 {
		wait := time.NewTimer(f.Delay)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
	}
	switch f.Kind {
	case FaultStatus:
		return f.refusal()
	case FaultRevoke:
		o.RevokeAll(true)
		return errAuth()
	case FaultMoveOrg:
		o.MoveOrg()
	case FaultDisconnect, FaultBlackhole:
		if conn := connOf(ctx); conn != nil {
			if f.Kind == FaultBlackhole {
				conn.freeze()
			} else if err := conn.Close(); err != nil {
				o.log.Debug("close connection", "err", err)
			}
			<-ctx.Done()
		}
		return errUnavailable()
	}
	return nil
}

// pick finds a fault for a call that opens, or for its first response, and
// counts it.
func (fs *faults) pick(on, method, channel string) (Fault, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		if !f.inStream() || !f.fits(on, channel) || f.Method != "" && f.Method != method {
			continue
		}
		if f.left > 0 {
			f.left--
			continue
		}
		return fs.use(f), true
	}
	return Fault{}, false
}

// inStream tells whether the fault is one of those that strike calls, and not
// one that is asked for in its own place.
func (f *Fault) inStream() bool { return f.Kind != FaultRedeliver && f.Kind != FaultPublish }

// publishing finds the fault that refuses the next published event.
func (fs *faults) publishing(channel string) (Fault, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		if f.Kind != FaultPublish || !f.fits(OnEvent, channel) {
			continue
		}
		if f.left > 0 {
			f.left--
			continue
		}
		return fs.use(f), true
	}
	return Fault{}, false
}

// redelivery finds the fault that makes a resumed call repeat events.
func (fs *faults) redelivery(channel string) (Fault, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		if f.Kind == FaultRedeliver && f.fits(f.On, channel) {
			return fs.use(f), true
		}
	}
	return Fault{}, false
}

// room tells how many of n events may go out before a fault strikes.
func (fs *faults) room(channel string, n int) int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		if f.inStream() && f.fits(OnEvent, channel) && f.left > 0 {
			n = min(n, f.left)
		}
	}
	return n
}

// advance counts events that went out.
func (fs *faults) advance(channel string, n int) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		if f.inStream() && f.fits(OnEvent, channel) {
			f.left = max(0, f.left-n)
		}
	}
}

// strike finds the fault whose moment in a subscription has come.
func (fs *faults) strike(sub *subscription) *Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		if !f.inStream() || f.Method != "" && f.Method != sub.method {
			continue
		}
		due := f.fits(OnEvent, sub.view.name) || sub.first && f.fits(OnFirst, sub.view.name)
		if due && f.On == OnFirst && f.left > 0 && !sub.counted {
			f.left--
			sub.counted = true
			continue
		}
		if due && f.left == 0 && !(f.On == OnFirst && sub.counted) {
			struck := fs.use(f)
			return &struck
		}
	}
	return nil
}
