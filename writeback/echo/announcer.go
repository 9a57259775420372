package echo

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/kafka"
	"sfbridge/salesforce"
)

// AnnouncerConfig says where writes are announced.
type AnnouncerConfig struct {
	Kafka      *kafka.Client
	Topic      string
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Announcer tells of writes before they are made. All flows of a process share
// one, so that what they announce at the same time goes in one request. The nil
// *Announcer announces nothing, for objects that nobody captures.
type Announcer struct {
	cfg     AnnouncerConfig
	process uint64 // tells this announcer's batches from others'
	metrics *announcerMetrics
	ctx     context.Context // of the writer; ends some time after Close
	cancel  context.CancelFunc
	wake    chan struct{} // an announcement waits
	writer  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	seq     uint64
	waiting []*announce // to be written
	done    [][]byte    // messages of Done to be written
	doneLen int
	running bool // the writer
	closed  bool
}

// announce is one Announce on its way.
type announce struct {
	messages  [][]byte
	ids       []batchID
	written   chan error // has room
	abandoned bool       // nobody waits any more; guarded by Announcer.mu
	taken     bool       // the writer has it; guarded by Announcer.mu
}

// NewAnnouncer makes an announcer. It calls nobody.
func NewAnnouncer(cfg AnnouncerConfig) *Announcer {
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	var seed [8]byte
	rand.Read(seed[:])
	a := &Announcer{
		cfg: cfg, process: binary.BigEndian.Uint64(seed[:]), metrics: newAnnouncerMetrics(cfg.Registerer),
		wake: make(chan struct{}, 1),
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

// closeWait is how long Close waits for what is left to be written: it is of use
// but not needed.
const closeWait = 3 * time.Second

// Close writes what Done was told and ends. It may be called twice, and is safe
// on nil.
func (a *Announcer) Close() error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.rouse()
	late := time.AfterFunc(closeWait, a.cancel)
	a.writer.Wait()
	late.Stop()
	a.cancel()
	return nil
}

// Announced is a batch that was announced.
type Announced struct {
	a     *Announcer
	parts []batchID
}

// Announce returns once the batch stands in the topic, so that whoever sees its
// effect can know of it. On an error the call must not be made: its effect would
// be taken for somebody else's.
func (a *Announcer) Announce(ctx context.Context, b Batch) (*Announced, error) {
	if a == nil {
		return nil, nil
	}
	began := time.Now()
	w, rows := a.encode(&b)
	if rows == 0 {
		return nil, nil
	}
	if err := a.put(w); err != nil {
		return nil, err
	}
	select {
	case err := <-w.written:
		if err != nil {
			return nil, fmt.Errorf("announce %d writes into %s of org %s: %w", rows, b.Object, b.Org, err)
		}
	case <-ctx.Done():
		a.abandon(w)
		return nil, ctx.Err()
	}
	a.metrics.announced.Add(float64(rows))
	a.metrics.seconds.Observe(time.Since(began).Seconds())
	return &Announced{a: a, parts: w.ids}, nil
}

// encode makes the messages of a batch, none much larger than maxMessage.
func (a *Announcer) encode(b *Batch) (w *announce, rows int) {
	a.mu.Lock()
	a.seq++
	id := batchID{process: a.process, seq: a.seq}
	a.mu.Unlock()
	w = &announce{written: make(chan error, 1)}
	var build builder
	build.reset()
	key := b.keyField()
	flush := func() {
		if build.n == 0 {
			return
		}
		body := build.appendBody(nil, id, b.Org, b.Object, key)
		w.messages = append(w.messages, appendMessage(nil, kindAnnounce, body))
		w.ids = append(w.ids, id)
		id.first += build.n
		build.reset()
	}
	for write := range b.each() {
		build.write(&write, key)
		rows++
		if build.size() > maxMessage-4<<10 {
			flush()
		}
	}
	flush()
	return w, rows
}

// write adds one write as a row.
func (b *builder) write(w *Write, keyField string) {
	for i := range w.Fields {
		f, v := w.Fields[i].Field, w.Fields[i].Value
		path, c := eventPath(f), classOf(f)
		b.value(field{path, c}, writtenHash(path, f, v, c))
		if c == classText && len(v.Text) >= diffable {
			b.value(field{path, classDigest}, digestHash(path, sha256.Sum256([]byte(stored(f, v.Text)))))
		}
	}
	var id, key uint64
	if w.ID != "" {
		id = idHash(w.ID)
	}
	if w.Key != "" && keyField != "" {
		key = keyHash(keyField, w.Key)
	}
	b.row(w.Operation, id, key)
}

// stored is a long text as the org keeps it: without blanks around it, its line
// breaks as they came.
func stored(f *salesforce.Field, text string) string {
	if f.Type == "textarea" {
		return strings.Trim(text, " ")
	}
	return strings.TrimSpace(text)
}

// put hands messages to the writer.
func (a *Announcer) put(w *announce) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return kafka.ErrClosed
	}
	a.waiting = append(a.waiting, w)
	a.rouse()
	a.start()
	return nil
}

func (a *Announcer) rouse() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// start starts the writer unless it runs. The caller holds mu.
func (a *Announcer) start() {
	if !a.running {
		a.running = true
		a.writer.Go(a.run)
	}
}

// abandon takes back an announcement that its caller no longer waits for: the
// call will not be made, and the announcement must not explain another change.
func (a *Announcer) abandon(w *announce) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.abandoned = true
	if w.taken {
		a.forget(w) // it may stand in the topic already
	}
}

// forget tells that no row of an announcement was written. The caller holds mu.
func (a *Announcer) forget(w *announce) {
	for _, id := range w.ids {
		a.addDone(appendDone(nil, id, nil))
	}
}

// maxDone bounds the outcomes that wait while Kafka is away. Losing some costs
// precision only.
const maxDone = 8 << 20

// addDone queues the outcome of an announcement. The caller holds mu.
func (a *Announcer) addDone(body []byte) {
	if a.closed || a.doneLen+len(body) > maxDone {
		return
	}
	a.done = append(a.done, appendMessage(nil, kindDone, body))
	a.doneLen += len(body)
	a.start()
}

// Done tells what the batch's rows are: record ids in the order of its writes, ""
// for those that were not written and will cause no event. It does not block; a
// loss of it costs precision, not truth. It is safe on nil. A call whose answer
// was lost has no Done: its rows may have been written.
func (n *Announced) Done(ids []string) {
	if n == nil {
		return
	}
	hashes := make([]uint64, len(ids))
	for i, id := range ids {
		if id != "" {
			hashes[i] = idHash(id)
		}
	}
	n.a.mu.Lock()
	defer n.a.mu.Unlock()
	for i, id := range n.parts {
		end := len(hashes)
		if i+1 < len(n.parts) {
			end = min(end, int(n.parts[i+1].first))
		}
		n.a.addDone(appendDone(nil, id, hashes[min(int(id.first), end):end]))
	}
}

// doneWait is how long outcomes wait for an announcement to go along with.
const doneWait = 10 * time.Millisecond

// run writes what waits until nothing does.
func (a *Announcer) run() {
	var producer *kafka.Producer
	defer func() {
		if producer != nil {
			producer.Close()
		}
	}()
	for {
		group, values, more := a.take()
		if !more {
			return
		}
		err := a.write(&producer, values)
		a.written(group, err)
	}
}

// take waits a moment for company if only outcomes wait, then takes all.
func (a *Announcer) take() (group []*announce, values [][]byte, more bool) {
	a.mu.Lock()
	alone := len(a.waiting) == 0 && len(a.done) > 0 && !a.closed
	a.mu.Unlock()
	if alone {
		t := time.NewTimer(doneWait)
		select {
		case <-t.C:
		case <-a.wake:
		}
		t.Stop()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var pack packer
	// Outcomes first, all of them of announcements that were written before: what was
	// answered before a write was announced stands before it in the topic, too.
	for _, m := range a.done {
		pack.add(m)
	}
	for _, w := range a.waiting {
		if w.abandoned {
			continue
		}
		w.taken = true
		group = append(group, w)
		for _, m := range w.messages {
			pack.add(m)
		}
	}
	a.waiting, a.done, a.doneLen = nil, nil, 0
	a.running = len(pack.values) > 0
	return group, pack.values, a.running
}

// packer puts messages together into records.
type packer struct{ values [][]byte }

func (p *packer) add(message []byte) {
	n := len(p.values)
	if n == 0 || len(p.values[n-1])+len(message) > maxMessage {
		p.values = append(p.values, []byte{version})
		n++
	}
	p.values[n-1] = append(p.values[n-1], message...)
}

// write writes records, with a new producer if the one before is in doubt.
func (a *Announcer) write(producer **kafka.Producer, values [][]byte) (err error) {
	if *producer == nil {
		if *producer, err = a.cfg.Kafka.NewProducer(a.ctx, kafka.ProducerConfig{}); err != nil {
			return err
		}
	}
	records := make([]kafka.Record, len(values))
	now := time.Now()
	for i, v := range values {
		records[i] = kafka.Record{Topic: a.cfg.Topic, Value: v, Time: now}
	}
	if err = (*producer).Commit(a.ctx, records); err != nil {
		(*producer).Close()
		*producer = nil
	}
	return err
}

// written tells those who wait. What was announced in vain is taken back, since
// some of it may stand in the topic: its caller announces again.
func (a *Announcer) written(group []*announce, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		a.cfg.Logger.Warn("writes not announced", "topic", a.cfg.Topic, "err", err)
	}
	for _, w := range group {
		w.written <- err
	}
	if err == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range group {
		if !w.abandoned { // else that is told already
			a.forget(w)
		}
	}
}
