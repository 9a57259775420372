package echo

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/event"
	"sfbridge/internal/backoff"
	"sfbridge/kafka"
)

// RegistryConfig says where announcements are read.
type RegistryConfig struct {
	Kafka  *kafka.Client
	Topic  string
	Client string // that this bridge's writes carry in their origin: sfbridge-<name>
	// MaxBytes is about how much the writes that no event has shown yet may hold in
	// memory; the oldest are dropped beyond it. Default 32 MiB, some 200,000 writes of ten fields.
	MaxBytes int
	// Keep is how long such a write is kept. Default 6 h.
	Keep time.Duration

	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Registry knows the writes that were announced and not seen as events yet. It is
// safe for use by many goroutines.
type Registry struct {
	cfg     RegistryConfig
	metrics *registryMetrics

	mu       sync.Mutex // guards what follows
	at       int64      // offset up to which the topic is read
	progress chan struct{}
	order    int64 // messages so far
	batches  map[batchID]*live
	arrivals []*live               // in the order of arrival, with those that are gone
	open     map[objectKey][]*live // whose outcome is not known
	byID     map[recordKey][]ref   // rows whose record is known
	bytes    int
	left     int
	decided  decisions
}

// objectKey names an object of an org; its name in small letters.
type objectKey struct{ org, object string }

// recordKey names a record.
type recordKey struct {
	objectKey
	id uint64
}

// ref is one row of a batch.
type ref struct {
	l   *live
	row int
}

// NewRegistry makes a registry. It calls nobody; Run fills it.
func NewRegistry(cfg RegistryConfig) *Registry {
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, 32<<20)
	cfg.Keep = cmp.Or(cfg.Keep, 6*time.Hour)
	return &Registry{
		cfg: cfg, metrics: newRegistryMetrics(cfg.Registerer), progress: make(chan struct{}),
		batches: map[batchID]*live{}, open: map[objectKey][]*live{}, byID: map[recordKey][]ref{},
	}
}

// Run follows the topic from its start until ctx ends.
func (r *Registry) Run(ctx context.Context) error {
	wait, told := 100*time.Millisecond, false
	for ctx.Err() == nil {
		began := time.Now()
		err := r.follow(ctx)
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) > time.Minute {
			wait, told = 100*time.Millisecond, false
		}
		if gone, ok := errors.AsType[*kafka.OffsetError](err); ok {
			r.advance(gone.Start) // retention was quicker, or the topic was made anew
		} else if !told {
			r.cfg.Logger.Warn("announcements of writes not read, trying again", "topic", r.cfg.Topic, "err", err)
			told = true
		}
		if backoff.Sleep(ctx, wait) != nil {
			break
		}
		wait = min(2*wait, 10*time.Second)
	}
	return nil
}

// follow reads from where the registry is.
func (r *Registry) follow(ctx context.Context) error {
	r.mu.Lock()
	from := r.at
	r.mu.Unlock()
	if from == 0 {
		from = kafka.EarliestOffset
	}
	reader, err := r.cfg.Kafka.NewReader(ctx, kafka.ReaderConfig{Topic: r.cfg.Topic, Offset: from})
	if err != nil {
		return err
	}
	for {
		r.advance(reader.Offset())
		records, err := reader.Next(ctx)
		if err != nil {
			return err
		}
		for i := range records {
			r.read(&records[i])
		}
	}
}

// advance notes how far the topic is read, and tells those who wait.
func (r *Registry) advance(offset int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = offset
	close(r.progress)
	r.progress = make(chan struct{})
}

// read takes in one record of the topic.
func (r *Registry) read(rec *kafka.Record) {
	err := messages(rec.Value, func(kind byte, body []byte) error {
		switch kind {
		case kindAnnounce:
			a, err := decodeAnnouncement(body)
			if err != nil {
				return err
			}
			r.announced(a, rec.Time.UnixMilli())
		case kindDone:
			id, ids, err := decodeDone(body)
			if err != nil {
				return err
			}
			r.settled(id, ids, rec.Time.UnixMilli())
		}
		return nil
	})
	if err != nil {
		r.cfg.Logger.Warn("record of announced writes passed over", "topic", rec.Topic, "offset", rec.Offset, "err", err)
	}
}

// announced takes in a batch.
func (r *Registry) announced(a *announcement, at int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.order++
	if _, twice := r.batches[a.id]; twice || len(a.rows) == 0 {
		return
	}
	l := newLive(a, at, r.order)
	key := l.key
	r.batches[a.id] = l
	r.arrivals = append(r.arrivals, l)
	r.open[key] = append(r.open[key], l)
	r.bytes += l.bytes()
	r.left += l.left
	for i, id := range l.ids {
		if id != 0 {
			k := recordKey{key, id}
			r.byID[k] = append(r.byID[k], ref{l, i})
		}
	}
	r.prune(at)
}

// settled takes in what became of a batch's rows. From here on their records are
// known, so what is known of which records have shown a row counts, whichever row
// it was taken from.
func (r *Registry) settled(id batchID, ids []uint64, at int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.order++
	l := r.batches[id]
	if l == nil || !l.open {
		return
	}
	l.open, l.doneAt, l.doneOrder, l.index = false, at, r.order, nil
	r.open[l.key] = slices.DeleteFunc(r.open[l.key], func(o *live) bool { return o == l })
	if len(r.open[l.key]) == 0 {
		delete(r.open, l.key)
	}
	taken := l.taken
	for i := range l.rows {
		now := uint64(0)
		if i < len(ids) {
			now = ids[i]
		}
		r.settle(l, i, now)
		if _, ok := taken[now]; ok {
			delete(taken, now)
		} else if now != 0 {
			r.claim(l, i)
		}
	}
	l.taken, l.holders = nil, nil
	for _, t := range taken { // their rows were others'
		if t != nil {
			r.settleOn(l.key, t, map[ref]bool{})
		}
	}
	r.dropIfUsed(l)
}

// settle notes the record of one row; 0 says that it was not written.
func (r *Registry) settle(l *live, i int, id uint64) {
	if was := l.ids[i]; was != id {
		if was != 0 {
			r.unlist(l, i)
		}
		if id != 0 {
			k := recordKey{l.key, id}
			r.byID[k] = append(r.byID[k], ref{l, i})
		}
		l.ids[i] = id
	}
	_, taken := l.taken[id]
	r.setUsed(l, i, id == 0 || taken)
}

// setUsed makes a row used or unused.
func (r *Registry) setUsed(l *live, i int, used bool) {
	row := &l.rows[i]
	if used && l.ids[i] != 0 {
		r.unlist(l, i)
	}
	if row.used == used {
		return
	}
	row.used = used
	n := 1
	if used {
		n = -1
	}
	l.left += n
	r.left += n
}

// unlist takes a row out of those of its record.
func (r *Registry) unlist(l *live, i int) {
	k := recordKey{l.key, l.ids[i]}
	refs := slices.DeleteFunc(r.byID[k], func(f ref) bool { return f == ref{l, i} })
	if len(refs) == 0 {
		delete(r.byID, k)
	} else {
		r.byID[k] = refs
	}
}

// dropIfUsed forgets a batch of which nothing is left to be seen. An open one
// stays: which rows are left is known at its end.
func (r *Registry) dropIfUsed(l *live) {
	if l.left == 0 && !l.open {
		r.drop(l)
	}
}

func (r *Registry) drop(l *live) {
	if r.batches[l.id] != l {
		return
	}
	delete(r.batches, l.id)
	r.bytes -= l.bytes()
	r.left -= l.left
	for i, id := range l.ids {
		if id != 0 && !l.rows[i].used {
			r.unlist(l, i)
		}
	}
	if l.open {
		r.open[l.key] = slices.DeleteFunc(r.open[l.key], func(o *live) bool { return o == l })
	}
	l.values, l.index, l.taken, l.holders = nil, nil, nil, nil
}

// prune drops the batches that are too old, and the oldest of too many.
func (r *Registry) prune(now int64) {
	oldest := now - r.cfg.Keep.Milliseconds()
	for len(r.arrivals) > 1 {
		l := r.arrivals[0]
		gone := r.batches[l.id] != l
		if !gone && l.at >= oldest && r.bytes <= r.cfg.MaxBytes {
			break
		}
		if !gone {
			r.metrics.forgotten.Add(float64(l.left))
			r.drop(l)
		}
		r.arrivals = r.arrivals[1:]
	}
	if len(r.arrivals) > 2*len(r.batches)+1024 {
		r.arrivals = slices.DeleteFunc(r.arrivals, func(l *live) bool { return r.batches[l.id] != l })
	}
	r.metrics.live.Set(float64(r.left))
}

// judge tells whether the change of one record is an echo, and uses up what
// explains it. Unless all is read that was announced before the change, it looks
// among the writes of the very record only.
func (r *Registry) judge(c *change, recordID string, allRead bool) bool {
	id, ms := idHash(recordID), c.header.CommitTimestamp
	r.mu.Lock()
	defer r.mu.Unlock()
	name := eventName(c.header, id)
	if r.decided.has(name) {
		return true // the event came before, and was not committed
	}
	record := recordKey{objectKey{c.org, strings.ToLower(c.header.EntityName)}, id}
	if !r.byRecord(c, record, ms) && (!allRead || !r.byContent(c, record, ms)) {
		return false
	}
	r.decided.add(name)
	r.metrics.live.Set(float64(r.left))
	return true
}

// byRecord looks among the writes of the very record.
func (r *Registry) byRecord(c *change, k recordKey, ms int64) bool {
	refs := r.byID[k]
	at := slices.IndexFunc(refs, func(f ref) bool {
		return !f.l.rows[f.row].used && f.l.during(ms) && f.l.explains(f.row, c)
	})
	if at < 0 {
		return false
	}
	hit := refs[at].l
	// What was answered before this write was announced comes before it in the
	// org too: it will not show any more.
	for _, f := range slices.Clone(refs[:at+1]) {
		if f.l == hit || f.l.doneOrder > 0 && f.l.doneOrder < hit.order {
			r.setUsed(f.l, f.row, true)
			f.l.take(k.id, nil)
			r.dropIfUsed(f.l)
		}
	}
	return true
}

// byContent looks among the writes whose answer is not known yet.
func (r *Registry) byContent(c *change, record recordKey, ms int64) bool {
	for _, l := range r.open[record.objectKey] {
		if _, twice := l.taken[record.id]; twice || l.allKnown || l.left == 0 || !l.during(ms) {
			continue // a batch writes no record twice
		}
		if at := l.find(c); at >= 0 {
			r.takeLoosely(l, at, record.id, c)
			return true
		}
	}
	if c.typ != event.Update {
		return false
	}
	t := r.looseUpdate(c, record.id)
	return t != nil && r.settleOn(record.objectKey, t, map[ref]bool{})
}

// take notes that a record has shown a row of a batch whose outcome is open.
func (l *live) take(id uint64, by *loose) {
	if !l.open {
		return
	}
	if l.taken == nil {
		l.taken = map[uint64]*loose{}
	}
	l.taken[id] = by
}

// eventName tells a record's change from all others, in whichever channel it
// comes.
func eventName(h *event.Header, id uint64) uint64 {
	n := h.SequenceNumber
	return mix(id ^ add(start(h.TransactionKey, byte(n)), string(h.ChangeType)) + uint64(n))
}

// decisions are the latest changes that were taken for echoes. When a transaction
// fails its events come again, and their announcements are used up by then.
type decisions struct {
	ring []uint64
	next int
	set  map[uint64]struct{}
}

const maxDecisions = 1 << 16

func (d *decisions) has(name uint64) bool { _, ok := d.set[name]; return ok }

func (d *decisions) add(name uint64) {
	if d.set == nil {
		d.set = map[uint64]struct{}{}
	}
	d.set[name] = struct{}{}
	if len(d.ring) < maxDecisions {
		d.ring = append(d.ring, name)
		return
	}
	delete(d.set, d.ring[d.next])
	d.ring[d.next] = name
	d.next = (d.next + 1) % maxDecisions
}
