package bridge

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"sfbridge/event"
	"sfbridge/internal/crashpoint"
	"sfbridge/kafka"
	"sfbridge/pubsub"
	"sfbridge/schemas"
)

// Names of record headers. The ce_ ones follow the Kafka binding of
// CloudEvents, binary mode.
const (
	headerSpecVersion = "ce_specversion"
	headerID          = "ce_id"
	headerSource      = "ce_source"
	headerType        = "ce_type"
	headerSubject     = "ce_subject"
	headerTime        = "ce_time"
	headerReplayID    = "sf_replay_id"
	headerSchemaID    = "sf_schema_id"
	headerOrigin      = "sf_origin"

	headersPerRecord = 10 // with sf_echo
)

var (
	specVersion  = []byte("1.0")
	originStream = []byte("stream")
)

// route is where events of one schema go: their topic, the registry's id of
// the schema, and the header values that never change.
type route struct {
	codec    *schemas.Codec
	topic    string
	id       schemas.ID
	schemaID []byte
	types    map[event.ChangeType][]byte // ce_type; the empty key is a platform event's
	limit    int                         // a record up to this size fits without asking
}

// encoder turns the events of one channel into records. One goroutine uses it.
type encoder struct {
	b      *Bridge
	ch     *channel
	source []byte // ce_source
	routes map[event.SchemaID]*route
	last   *route
	lastID event.SchemaID
	header event.Header
	stamp  stamp
	echoes *echoJudge // nil if nothing is both captured and written
}

// stamp is the text of the last commit timestamp: those of neighbours are
// often equal, as Salesforce stamps whole seconds.
type stamp struct {
	ms   int64
	text []byte
}

func (s *stamp) of(ms int64) []byte {
	if s.text == nil || s.ms != ms {
		s.ms, s.text = ms, time.UnixMilli(ms).UTC().AppendFormat(s.text[:0], "2006-01-02T15:04:05.999Z07:00")
	}
	return s.text
}

func newEncoder(b *Bridge, ch *channel) *encoder {
	return &encoder{
		b: b, ch: ch,
		source: []byte("/salesforce/" + ch.org.id() + ch.capture.Channel),
		routes: make(map[event.SchemaID]*route),
		echoes: b.echoes.judge(ch),
	}
}

// encode turns a response into a unit. An event that cannot be understood, or
// that its topic cannot take, becomes a dead letter in its place; an error
// means that nothing of the response may be passed over.
func (e *encoder) encode(ctx context.Context, batch pubsub.Batch) (unit, error) {
	u := unit{ch: e.ch, events: len(batch.Events)}
	a := e.b.arenas.take(batch.Events)
	t := e.ch.tracker
	start := t.save()
	e.echoes.begin()
	for i := range batch.Events {
		ev := &batch.Events[i]
		n := len(a.records)
		if err := e.event(ctx, a, ev); err != nil {
			t.restore(start)
			return unit{}, err
		}
		t.cursor.Event(ev.ReplayID)
		t.pos.Events++
		t.pos.Records += int64(len(a.records) - n)
	}
	if len(batch.Events) == 0 {
		t.cursor.Keepalive(batch.Latest)
	}
	crashpoint.Here("after-decode")
	u.arena, u.records = a, a.records
	for i := range u.records {
		u.size += recordSize(&u.records[i])
	}
	u.pos = e.ch.tracker.at(batch.Received)
	return u, nil
}

// recordSize estimates what a record holds in memory until it is committed.
func recordSize(r *kafka.Record) int64 {
	n := len(r.Key) + len(r.Value) + 64*len(r.Headers)
	return int64(n + 128)
}

func (e *encoder) event(ctx context.Context, a *arena, ev *event.Raw) error {
	r, err := e.route(ctx, ev)
	var poison *poisonError
	if errors.As(err, &poison) {
		return e.deadLetter(ctx, a, ev, poison, true)
	}
	if err != nil {
		return err
	}
	if r.codec.IsChangeEvent() {
		return e.change(ctx, a, r, ev)
	}
	return e.platform(ctx, a, r, ev)
}

// change writes one record per record id of a change event: the header anew,
// the body as it came.
func (e *encoder) change(ctx context.Context, a *arena, r *route, ev *event.Raw) error {
	h := &e.header
	body, err := r.codec.DecodeEvent(ev.Payload, h)
	if err == nil && len(h.RecordIDs) == 0 {
		err = errors.New("change event without record ids")
	}
	if err != nil {
		return e.deadLetter(ctx, a, ev, &poisonError{Reason: reasonUndecodable, err: err}, true)
	}
	committed := plausible(h.CommitTimestamp)
	e.ch.tracker.pos.CommitTimestamp = committed
	if h.ChangeType.IsGap() {
		a.gaps = append(a.gaps, h.ChangeType)
	}
	shared := e.shared(a, ev, committed)
	ceType := r.types[h.ChangeType]
	if ceType == nil {
		ceType = []byte("com.salesforce." + h.EntityName + "." + string(h.ChangeType))
		r.types[h.ChangeType] = ceType
	}
	own := e.echoes.event(r.codec, ev.Payload, h)
	room := len(ev.Payload) + headerRoom(h)
	for i, id := range h.RecordIDs {
		if i == 2 {
			crashpoint.Here("inside-event")
		}
		var echo bool
		if own {
			if echo, err = e.echoes.record(ctx, &a.echoes, h, id); err != nil {
				return err
			}
			if echo && e.ch.capture.DropEchoes {
				continue
			}
		}
		key := a.copy(id)
		a.reserve(room)
		start := len(a.buf)
		a.buf = r.codec.AppendChange(a.buf, r.id, h, id, body)
		rec := kafka.Record{
			Topic: r.topic, Partition: kafka.AnyPartition, Key: key,
			Value:   a.buf[start:len(a.buf):len(a.buf)],
			Headers: e.headers(a, r, shared, ceType, key, echo),
			Time:    time.UnixMilli(committed),
		}
		if err := e.add(ctx, a, r, ev, rec); err != nil {
			return err
		}
	}
	return nil
}

// headerRoom bounds how much longer the header gets when bitmaps become names.
func headerRoom(h *event.Header) int {
	n := 64
	for _, set := range [...][]string{h.NulledFields, h.DiffFields, h.ChangedFields} {
		for _, name := range set {
			n += len(name) + 2
		}
	}
	return n
}

// platform writes a platform event as it came, framed.
func (e *encoder) platform(ctx context.Context, a *arena, r *route, ev *event.Raw) error {
	if err := r.codec.CheckPayload(ev.Payload); err != nil {
		return e.deadLetter(ctx, a, ev, &poisonError{Reason: reasonUndecodable, err: err}, true)
	}
	created := plausible(createdDate(ev.Payload))
	e.ch.tracker.pos.CommitTimestamp = created
	key, err := e.eventKey(a, r, ev)
	if err != nil {
		return e.deadLetter(ctx, a, ev, &poisonError{Reason: reasonNoKey, err: err}, true)
	}
	a.reserve(len(ev.Payload) + 5)
	start := len(a.buf)
	a.buf = schemas.AppendFrame(a.buf, r.id, ev.Payload)
	value := a.buf[start:len(a.buf):len(a.buf)]
	return e.add(ctx, a, r, ev, kafka.Record{
		Topic: r.topic, Partition: kafka.AnyPartition, Key: key, Value: value,
		Headers: e.headers(a, r, e.shared(a, ev, created), r.types[""], key, false),
		Time:    time.UnixMilli(created),
	})
}

// maxAhead is how far a time stamp of the org may lie in this machine's future.
// Brokers refuse records from more than an hour ahead (KIP-937), which would
// hold up everything behind them.
const maxAhead = 10 * time.Minute

// plausible replaces a time stamp that no clock explains by the present:
// publishers of platform events can send anything.
func plausible(ms int64) int64 {
	if now := time.Now().UnixMilli(); ms <= 0 || ms > now+maxAhead.Milliseconds() {
		return now
	}
	return ms
}

// createdDate reads the first field of a platform event, CreatedDate, a long
// in milliseconds (Pub/Sub API guide, event schemas). The payload was checked.
func createdDate(payload []byte) int64 {
	ms, _ := binary.Varint(payload) // Avro's long is the same zigzag varint
	return ms
}

func (e *encoder) eventKey(a *arena, r *route, ev *event.Raw) ([]byte, error) {
	field := e.ch.capture.KeyField
	if field == "" {
		return a.copy(ev.UUID), nil
	}
	key, err := r.codec.FieldText(ev.Payload, field)
	if err != nil {
		return nil, fmt.Errorf("key field %s: %w", field, err)
	}
	return a.copy(key), nil
}

// sharedHeaders are those that all records of one event have in common.
type sharedHeaders struct{ id, time, replay []byte }

func (e *encoder) shared(a *arena, ev *event.Raw, ms int64) sharedHeaders {
	return sharedHeaders{id: a.copy(ev.UUID), time: a.copyBytes(e.stamp.of(ms)), replay: a.hex(ev.ReplayID)}
}

func (e *encoder) headers(a *arena, r *route, s sharedHeaders, ceType, subject []byte, echo bool) []kafka.Header {
	start := len(a.headers)
	a.header(headerSpecVersion, specVersion)
	a.header(headerID, s.id)
	a.header(headerSource, e.source)
	a.header(headerType, ceType)
	a.header(headerSubject, subject)
	a.header(headerTime, s.time)
	a.header(headerReplayID, s.replay)
	a.header(headerSchemaID, r.schemaID)
	a.header(headerOrigin, originStream)
	if echo {
		a.header(headerEcho, echoTrue)
	}
	return a.takeHeaders(start)
}

// add takes a record that its topic can hold; one that it cannot goes alone to
// the dead letters, by reference.
func (e *encoder) add(ctx context.Context, a *arena, r *route, ev *event.Raw, rec kafka.Record) error {
	if len(rec.Value)+len(rec.Key)+64*len(rec.Headers) > r.limit {
		fits, err := e.fits(ctx, rec)
		if err != nil {
			return err
		}
		if !fits {
			return e.deadLetter(ctx, a, ev, &poisonError{
				Reason: reasonTooLarge, recordID: string(rec.Key), topic: rec.Topic, size: len(rec.Value),
				err: fmt.Errorf("record of %d bytes is beyond max.message.bytes of topic %s: raise it there, "+
					"then read the event again from the org by its replay id", len(rec.Value), rec.Topic),
			}, false)
		}
	}
	a.records = append(a.records, rec)
	return nil
}
