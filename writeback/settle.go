package writeback

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"sfbridge/internal/backoff"
	"sfbridge/internal/flow"
	"sfbridge/kafka"
)

// settler turns what became of records into the records that tell it: one for
// each, in the results topic or among the dead letters.
type settler struct {
	f    *Flow
	met  *metrics
	room *room

	mu   sync.Mutex // guards told
	told map[string]told
}

func newSettler(f *Flow) *settler {
	return &settler{f: f, met: f.met, room: newRoom(f.cfg.Memory), told: map[string]told{}}
}

// settle gives a record its outcome, and its room back.
func (s *settler) settle(it *item, outcome ...kafka.Record) {
	s.room.give(it)
	it.d.Settle(outcome...)
}

// source says where a delivered record stood.
func source(r *kafka.Record) flow.Source {
	return flow.Source{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: r.Time.UTC()}
}

// done settles an item, and the older records that it carries, with one outcome.
func (s *settler) done(it *item, v verdict, api string) {
	at := it.d.Offset
	for _, under := range it.under {
		s.result(under, v, api, &at)
	}
	s.result(it, v, api, nil)
	it.row, it.plain, it.under = nil, nil, nil // a job settles many: their rows make room for what tells of them
}

func (s *settler) result(it *item, v verdict, api string, mergedIn *int64) {
	now := time.Now().UTC()
	s.met.outcome(v.done, &it.d.Record, now)
	s.f.state.Moved()
	if s.f.cfg.ResultsTopic == "" {
		it.lighten()
		s.settle(it)
		return
	}
	r := flow.Result{
		Flow: s.f.cfg.Name, Org: s.f.cfg.Org, Object: s.f.cfg.Rows.Object,
		Outcome: v.done, Reason: v.reason, ID: v.id, MergedIn: mergedIn, API: api, Job: v.job,
		RetryOf: it.retryOf, Source: source(&it.d.Record), Time: now,
	}
	if api != "" {
		r.Attempts = it.attempts + 1
	}
	if row := it.own(); row != nil {
		r.Operation, r.Key = string(row.Op), row.Key
	}
	key := resultKey(it.d.Key)
	it.lighten()
	s.settle(it, kafka.Record{Topic: s.f.cfg.ResultsTopic, Partition: kafka.AnyPartition, Key: key, Value: encode(&r), Time: now})
}

// lighten lets go of what a settled item needs no more: it lives on until all
// of its call are settled, and until its outcome is committed.
func (it *item) lighten() {
	it.d.Key, it.d.Value, it.d.Headers = nil, nil, nil
	if it.row != nil {
		it.row.Values = nil
	}
	it.plain = nil
}

// longestKey is the longest key of a source record that its result has too: a
// topic of results takes smaller records than some sources.
const longestKey = 64 << 10

func resultKey(k []byte) []byte {
	if len(k) > longestKey {
		return nil
	}
	return bytes.Clone(k) // it shares memory with all records that were fetched along with it
}

// skip settles a record that is not to be applied.
func (s *settler) skip(it *item, reason string) {
	s.done(it, verdict{done: flow.Skipped, reason: reason}, "")
}

// refuse settles an item, and the older records that it carries, as dead
// letters. It waits while Kafka cannot tell how large a letter may be; if ctx
// ends before, the item stays unsettled.
func (s *settler) refuse(ctx context.Context, it *item, r *refusal) error {
	for _, under := range it.under {
		under.attempts = it.attempts
		if err := s.letter(ctx, under, r); err != nil {
			return err
		}
	}
	it.under = nil
	return s.letter(ctx, it, r)
}

func (s *settler) letter(ctx context.Context, it *item, r *refusal) error {
	now := time.Now().UTC()
	rec, err := s.fitting(ctx, s.write(it, r, now))
	if err != nil {
		return err
	}
	s.settle(it, rec)
	s.met.outcome(flow.DeadLetter, &it.d.Record, now)
	s.f.state.Moved()
	if s.f.cfg.DeadLettered != nil {
		s.f.cfg.DeadLettered(r.reason)
	}
	s.tell(it, r, now)
	return nil
}

// quiet is how long the log says nothing of further letters of one reason: a
// topic full of bad records must not fill the log, too.
const quiet = 10 * time.Second

// tell logs a letter, or counts it for the next that is logged.
func (s *settler) tell(it *item, r *refusal, now time.Time) {
	s.mu.Lock()
	t := s.told[r.reason]
	if now.Sub(t.at) < quiet {
		t.left++
		s.told[r.reason] = t
		s.mu.Unlock()
		return
	}
	s.told[r.reason] = told{at: now}
	s.mu.Unlock()
	s.f.log.Warn("record set aside", "reason", r.reason, "topic", it.d.Topic, "partition", it.d.Partition, "offset", it.d.Offset,
		"err", r.text, "more_before", t.left)
}

// told is when a letter of a reason was logged last, and how many were not since.
type told struct {
	at   time.Time
	left int
}

// write fills in a letter.
func (s *settler) write(it *item, r *refusal, now time.Time) *flow.Letter {
	d := &it.d.Record
	l := &flow.Letter{
		Kind: flow.KindWriteback, Reason: r.reason, Error: r.text, Fields: r.fields,
		Flow: s.f.cfg.Name, Org: s.f.cfg.Org, Object: s.f.cfg.Rows.Object, Attempts: it.attempts,
		RetryOf: it.retryOf, Source: source(d), RecordKey: d.Key, Value: d.Value, Tombstone: d.Value == nil, Time: now,
	}
	for _, h := range d.Headers {
		l.Headers = append(l.Headers, flow.Header{Key: h.Key, Value: h.Value})
	}
	if r.code != "" {
		l.Code, l.Message = r.code, r.text
	}
	if r.cause != nil {
		l.Code, l.Message, l.Status = r.cause.Code, r.cause.Message, r.cause.Status
		if len(l.Fields) == 0 {
			l.Fields = r.cause.Fields
		}
	}
	if row := it.own(); row != nil {
		l.Operation, l.Key = string(row.Op), row.Key
	}
	return l
}

// fitting makes the record of a letter, which leaves out what the topic has no
// room for: the value, and then headers and key. The source still has them.
func (s *settler) fitting(ctx context.Context, l *flow.Letter) (kafka.Record, error) {
	key := l.RecordKey
	for _, shorten := range []func(){
		func() {},
		func() { l.Value = nil },
		func() { l.Headers, l.RecordKey, l.Key, key = nil, nil, "", nil },
	} {
		shorten()
		rec := kafka.Record{
			Topic: s.f.cfg.DeadLetterTopic, Partition: kafka.AnyPartition, Key: key, Value: encode(l), Time: l.Time,
			Headers: []kafka.Header{{Key: flow.HeaderReason, Value: []byte(l.Reason)}},
		}
		fits, err := s.fits(ctx, rec)
		if err != nil || fits {
			return rec, err
		}
	}
	return kafka.Record{}, fmt.Errorf("topic %s takes no dead letter at all: raise its max.message.bytes", s.f.cfg.DeadLetterTopic)
}

// fits asks until Kafka answers.
func (s *settler) fits(ctx context.Context, rec kafka.Record) (bool, error) {
	policy := backoff.Policy{Base: 100 * time.Millisecond, Max: 5 * time.Second}
	for n := 1; ; n++ {
		fits, err := s.f.cfg.Kafka.Fits(ctx, rec)
		if err == nil {
			return fits, nil
		}
		if sleep := backoff.Sleep(ctx, policy.Wait(n, 0)); sleep != nil {
			return false, fmt.Errorf("size of topic %s: %w", rec.Topic, err)
		}
	}
}

// encode gives JSON of what is always encodable.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("writeback: outcome that is no JSON: " + err.Error())
	}
	return b
}
