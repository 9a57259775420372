package orgsim

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"sfbridge/event"
	"sfbridge/pubsub/pubsubpb"
)

// Prepared describes a channel that serves made-up update events as fast as
// subscribers ask for them: for measuring whoever reads, not the org.
type Prepared struct {
	Channel string  // of one object, such as /data/AccountChangeEvent
	Events  int64   // how many there are
	Size    int     // bytes of a payload, about; default 500
	Keys    int     // different record ids; default 1,000
	Rate    float64 // events a second from the first subscription on; 0 = as fast as credit allows
}

// preparedBase is the counter before the first prepared event. Positions on a
// prepared channel are this plus the number of events before.
const preparedBase = 1 << 40

// prepared is a channel whose events are encoded beforehand. Each is served
// by copying the template of its record and putting in what differs: replay
// id, uuid and commit timestamp.
type prepared struct {
	cfg       Prepared
	idBytes   int
	templates []template

	mu    sync.Mutex
	start time.Time // of a channel with a rate; guarded by mu
}

type template struct {
	wire              []byte
	uuid, stamp, last int // where uuid, commit timestamp and replay id are
}

// stampLen is the length of the commit timestamp on the wire: milliseconds
// between the middle of 1970 and 2039 take six bytes.
const stampLen = 6

// ServePrepared prepares a channel: its Subscribe calls get made-up events from now
// on in place of the org's own. The commit timestamp of each is the moment at
// which it goes out, in milliseconds, so that a reader can measure its delay.
// Every preset but CUSTOM starts at the first event.
func (o *Org) ServePrepared(cfg Prepared) error {
	if cfg.Size == 0 {
		cfg.Size = 500
	}
	if cfg.Keys == 0 {
		cfg.Keys = 1000
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var t *table
	for _, each := range o.tables {
		if !each.def.Event && each.def.Channel() == cfg.Channel {
			t = each
		}
	}
	if t == nil {
		return fmt.Errorf("prepare %s: no object has this channel", cfg.Channel)
	}
	p := &prepared{cfg: cfg, idBytes: o.cfg.Switches.ReplayIDBytes}
	for k := range cfg.Keys {
		p.templates = append(p.templates, o.template(t, cfg.Size, uint64(k)+1))
	}
	o.prepared[cfg.Channel] = p
	return nil
}

// template encodes one event of a record.
func (o *Org) template(t *table, size int, n uint64) template {
	const stamp = int64(1767225600000)
	const uuid = "00000000-0000-4000-8000-000000000000"
	s := t.schema
	h := event.Header{
		EntityName: t.def.Name, RecordIDs: []string{makeID(t.def.KeyPrefix, o.cfg.IDInfix, n)}, ChangeType: event.Update,
		ChangeOrigin: "com/salesforce/api/rest/" + o.cfg.APIVersion, TransactionKey: newUUID(o.rng), SequenceNumber: 1,
		CommitTimestamp: stamp, CommitNumber: firstCommitNumber, CommitUser: o.userID,
	}
	var mask fieldMask
	values := map[int]Value{}
	for i, f := range s.fields {
		if f.def != nil && f.name == "LastModifiedDate" {
			mask.add(i, -1)
			values[i] = DateTime(stamp - 1000) // another value, so that the header's is found
		}
	}
	filler := textPosition(s)
	if filler >= 0 {
		mask.add(filler, -1)
		values[filler] = String("x")
	}
	h.ChangedFields = mask.strings(false)
	content := body{pick: func(i, j int) Value {
		if j >= 0 {
			return Value{}
		}
		return values[i]
	}}
	payload := s.appendBody(appendHeader(nil, &h), content)
	if filler >= 0 && len(payload) < size {
		values[filler] = String(strings.Repeat("x", size-len(payload)))
		payload = s.appendBody(appendHeader(nil, &h), content)
	}
	wire := appendConsumerEvent(nil, uuid, s.id, payload, replayID(0, o.cfg.Switches.ReplayIDBytes))
	return template{
		wire: wire, uuid: bytes.Index(wire, []byte(uuid)), stamp: bytes.Index(wire, appendLong(nil, stamp)),
		last: len(wire) - o.cfg.Switches.ReplayIDBytes,
	}
}

// textPosition finds a field that can be filled up.
func textPosition(s *schema) int {
	best := -1
	for i, f := range s.fields {
		if f.def != nil && f.def.Type.IsText() && !f.compound() && (best < 0 || f.def.Length > s.fields[best].def.Length) {
			best = i
		}
	}
	return best
}

// available is how many events exist by now.
func (p *prepared) available() int64 {
	if p.cfg.Rate == 0 {
		return p.cfg.Events
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.start.IsZero() {
		p.start = time.Now()
	}
	return min(p.cfg.Events, int64(time.Since(p.start).Seconds()*p.cfg.Rate))
}

func (p *prepared) feed() feed { return &preparedFeed{p: p, wakeup: make(chan struct{}, 1)} }

// preparedFeed is one subscription's place on a prepared channel.
type preparedFeed struct {
	p      *prepared
	next   int64 // number of events before the place
	wakeup chan struct{}
	timer  *time.Timer
}

func (f *preparedFeed) start(preset pubsubpb.ReplayPreset, replayID []byte) *rpcError {
	if preset != pubsubpb.ReplayPreset_CUSTOM {
		return nil
	}
	counter, ok := parseReplayID(replayID, f.p.idBytes)
	if !ok || counter < preparedBase || counter > preparedBase+uint64(f.p.cfg.Events) {
		return refuse(codes.InvalidArgument, "subscription.fetch.replayid.corrupted", "The replay ID validation failed.")
	}
	f.next = int64(counter - preparedBase)
	return nil
}

func (f *preparedFeed) fill(dst []byte, limit, maxBytes int) ([]byte, int) {
	left := f.p.available() - f.next
	if left <= 0 {
		f.later()
		return dst, 0
	}
	var stamp [stampLen]byte
	copy(stamp[:], appendLong(nil, time.Now().UnixMilli()))
	n := 0
	for n < int(min(int64(limit), left)) {
		t := &f.p.templates[f.next%int64(len(f.p.templates))]
		if n > 0 && len(dst)+len(t.wire) > maxBytes {
			break
		}
		at := len(dst)
		dst = append(dst, t.wire...)
		event := dst[at:]
		copy(event[t.stamp:], stamp[:])
		copy(event[t.last:], replayID(uint64(preparedBase+f.next+1), f.p.idBytes))
		putUUIDNumber(event[t.uuid:], uint64(f.next))
		f.next++
		n++
	}
	return dst, n
}

// putUUIDNumber writes a number into the last twelve digits of a uuid.
func putUUIDNumber(uuid []byte, n uint64) {
	var b [6]byte
	for i := range b {
		b[5-i] = byte(n >> (8 * i))
	}
	hex.Encode(uuid[24:36], b[:])
}

// later wakes the subscription when the rate has made the next event.
func (f *preparedFeed) later() {
	if f.p.cfg.Rate == 0 || f.next >= f.p.cfg.Events {
		return
	}
	f.p.mu.Lock()
	due := f.p.start.Add(time.Duration(float64(f.next+1) / f.p.cfg.Rate * float64(time.Second)))
	f.p.mu.Unlock()
	wait := max(time.Until(due), 100*time.Microsecond)
	if f.timer == nil {
		f.timer = time.AfterFunc(wait, func() {
			select {
			case f.wakeup <- struct{}{}:
			default:
			}
		})
		return
	}
	f.timer.Reset(wait)
}

func (f *preparedFeed) latest() event.ReplayID {
	return replayID(uint64(preparedBase+f.next), f.p.idBytes)
}

func (f *preparedFeed) idle() (event.ReplayID, bool) { return f.latest(), true }

func (f *preparedFeed) wake() <-chan struct{} { return f.wakeup }

func (f *preparedFeed) close() {
	if f.timer != nil {
		f.timer.Stop()
	}
}
