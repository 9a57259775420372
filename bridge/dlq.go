package bridge

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"sfbridge/internal/flow"
	"sfbridge/kafka"
	"sfbridge/schemas"
)

// States of a dead letter.
const (
	LetterOpen    = "open"
	LetterRetried = "retried" // its record was sent again; if that failed too, there is a newer letter
)

// kindRetried is the kind of a marker: the letter that it names was retried.
// It stands in the letter's own partition, behind it.
const kindRetried = "retried"

// kindUnknown is what a record of the dead-letter topic is taken for that is
// none of the bridge's letters.
const kindUnknown = "unknown"

// marker is the value of a record that says that a letter was retried.
type marker struct {
	Kind string    `json:"kind"`
	Of   LetterID  `json:"of"`
	At   time.Time `json:"at"`
}

// LetterID is where a letter stands in the dead-letter topic. As text it is
// PARTITION/OFFSET.
type LetterID struct {
	Partition int32
	Offset    int64
}

// String writes PARTITION/OFFSET.
func (id LetterID) String() string { return fmt.Sprintf("%d/%d", id.Partition, id.Offset) }

// MarshalText writes PARTITION/OFFSET.
func (id LetterID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads PARTITION/OFFSET.
func (id *LetterID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseLetterID(string(text))
	return err
}

// ParseLetterID reads PARTITION/OFFSET.
func ParseLetterID(text string) (LetterID, error) {
	left, right, ok := strings.Cut(text, "/")
	p, perr := strconv.ParseUint(left, 10, 31)
	o, oerr := strconv.ParseUint(right, 10, 63)
	if !ok || perr != nil || oerr != nil {
		return LetterID{}, fmt.Errorf("dead letter %q: name it as dlq list does, PARTITION/OFFSET, such as 2/107", text)
	}
	return LetterID{int32(p), int64(o)}, nil
}

func (id LetterID) compare(other LetterID) int {
	return cmp.Or(cmp.Compare(id.Partition, other.Partition), cmp.Compare(id.Offset, other.Offset))
}

// LetterInfo is a dead letter in a list: all but the record that it holds.
type LetterInfo struct {
	ID        LetterID     `json:"letter"`
	State     string       `json:"state"`
	RetriedAt time.Time    `json:"retried_at,omitzero"`
	Kind      string       `json:"kind"` // capture, writeback, publish; unknown for a record that is no letter
	Time      time.Time    `json:"time"`
	Reason    string       `json:"reason"`
	Error     string       `json:"error"`
	Code      string       `json:"code,omitempty"`
	Fields    []string     `json:"fields,omitempty"`
	Flow      string       `json:"flow,omitempty"`
	Org       string       `json:"org,omitempty"`
	Object    string       `json:"object,omitempty"`
	Row       string       `json:"row,omitempty"`
	Attempts  int          `json:"attempts,omitempty"`
	RetryOf   string       `json:"retry_of,omitempty"`
	Source    *flow.Source `json:"source,omitempty"`

	Channel  string `json:"channel,omitempty"` // of capture
	ReplayID string `json:"replay_id,omitempty"`
}

// outbound tells whether the letter is of a record on its way to an org.
func (l *LetterInfo) outbound() bool {
	return l.Kind == flow.KindWriteback || l.Kind == flow.KindPublish
}

// origin is where the letter's record stood when it was first read: a letter
// of a retried record names that in RetryOf.
func (l *LetterInfo) origin() (flow.Source, bool) {
	if l.Source == nil {
		return flow.Source{}, false
	}
	from := *l.Source
	if l.RetryOf == "" {
		return from, true
	}
	topic, partition, offset, ok := parsePlace(l.RetryOf)
	from.Topic, from.Partition, from.Offset = topic, partition, offset
	return from, ok
}

func place(s flow.Source) string { return fmt.Sprintf("%s/%d/%d", s.Topic, s.Partition, s.Offset) }

// parsePlace reads topic/partition/offset; topics have no slashes.
func parsePlace(text string) (topic string, partition int32, offset int64, ok bool) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 || parts[0] == "" {
		return "", 0, 0, false
	}
	p, perr := strconv.ParseUint(parts[1], 10, 31)
	o, oerr := strconv.ParseUint(parts[2], 10, 63)
	return parts[0], int32(p), int64(o), perr == nil && oerr == nil
}

// LetterFilter chooses dead letters; what is empty chooses all.
type LetterFilter struct {
	IDs          []LetterID
	Reasons      []string
	Kinds        []string
	State        string
	Flow         string    // of write-back or publish, or ORG/CHANNEL of capture
	Topic        string    // that the record came from, or was going to
	Since, Until time.Time // when the letter was written; Until is not included
}

// match tells whether the filter chooses a letter, its state aside.
func (f *LetterFilter) match(l *LetterInfo) bool {
	switch {
	case len(f.IDs) > 0 && !slices.Contains(f.IDs, l.ID),
		len(f.Reasons) > 0 && !slices.Contains(f.Reasons, l.Reason),
		len(f.Kinds) > 0 && !slices.Contains(f.Kinds, l.Kind),
		f.Flow != "" && f.Flow != l.Flow && f.Flow != l.Org+l.Channel,
		!f.Since.IsZero() && l.Time.Before(f.Since),
		!f.Until.IsZero() && !l.Time.Before(f.Until):
		return false
	}
	return f.Topic == "" || l.ofTopic(f.Topic)
}

func (l *LetterInfo) ofTopic(topic string) bool {
	from, ok := l.origin()
	return ok && from.Topic == topic
}

// letters reads the dead-letter topic and gives what the filter chooses, in
// the order in which the letters were written.
func (b *Bridge) letters(ctx context.Context, f *LetterFilter) ([]LetterInfo, error) {
	topic := b.cfg.deadLetterTopic()
	n, err := b.kafka.Partitions(ctx, topic)
	if kafka.IsUnknownTopic(err) {
		return nil, nil // no bridge of this prefix has run yet
	}
	if err != nil {
		return nil, fmt.Errorf("topic %s: %w", topic, err)
	}
	var all []LetterInfo
	for p := range n {
		found, err := b.lettersOf(ctx, topic, p, f)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(x, y LetterInfo) int { return cmp.Or(x.Time.Compare(y.Time), x.ID.compare(y.ID)) })
	return all, nil
}

// lettersOf reads one partition, markers taken for what they say of others.
func (b *Bridge) lettersOf(ctx context.Context, topic string, partition int32, f *LetterFilter) ([]LetterInfo, error) {
	var found []LetterInfo
	at := make(map[LetterID]int)
	err := b.kafka.ReadAll(ctx, topic, partition, func(r kafka.Record) error {
		if m, ok := readMarker(r.Value); ok {
			if i, ok := at[m.Of]; ok {
				found[i].State, found[i].RetriedAt = LetterRetried, m.At
			}
			return nil
		}
		if l := readLetter(r); f.match(&l) {
			at[l.ID] = len(found)
			found = append(found, l)
		}
		return nil
	})
	if f.State != "" { // known only now
		found = slices.DeleteFunc(found, func(l LetterInfo) bool { return l.State != f.State })
	}
	return found, err
}

func readMarker(value []byte) (m marker, ok bool) {
	if len(value) > 512 { // no marker is that long; letters may be, and need not be parsed twice
		return m, false
	}
	err := json.Unmarshal(value, &m)
	return m, err == nil && m.Kind == kindRetried
}

// readLetter reads what a list shows of a letter of any kind. The record that
// the letter holds is passed over.
func readLetter(r kafka.Record) LetterInfo {
	var v struct {
		LetterInfo
		ID struct{} `json:"letter"` // hides the field: a letter does not tell where it stands
	}
	if err := json.Unmarshal(r.Value, &v); err != nil || v.Reason == "" {
		v.LetterInfo = LetterInfo{Kind: kindUnknown, Error: "no dead letter of sfbridge"}
	}
	l := v.LetterInfo
	l.ID, l.State, l.RetriedAt = LetterID{r.Partition, r.Offset}, LetterOpen, time.Time{}
	if l.Time.IsZero() {
		l.Time = r.Time
	}
	if l.Kind == "" { // letters of capture did not tell their kind at first
		l.Kind = kindCapture
	}
	return l
}

// Letters lists dead letters, oldest first. With a limit these are the newest
// that the filter chooses; all tells how many it chooses.
func (b *Bridge) Letters(ctx context.Context, f LetterFilter, limit int) (found []LetterInfo, all int, err error) {
	found, err = b.letters(ctx, &f)
	all = len(found)
	if limit > 0 && all > limit {
		found = found[all-limit:]
	}
	return found, all, err
}

// LetterRecord is a dead letter with the record that it was made of.
type LetterRecord struct {
	LetterInfo
	Letter  json.RawMessage `json:"value"`             // as it stands in the topic
	Key     []byte          `json:"-"`                 // of the record; nil for none
	Value   []byte          `json:"-"`                 // of the record, or the payload of a captured event; nil for none
	Headers []flow.Header   `json:"-"`                 // of the record
	Missing string          `json:"missing,omitempty"` // why there is no value
	Decoded any             `json:"decoded,omitempty"` // the value, if it can be read
}

// Letter reads one dead letter, with its record.
func (b *Bridge) Letter(ctx context.Context, id LetterID) (*LetterRecord, error) {
	var l *LetterRecord
	topic := b.cfg.deadLetterTopic()
	err := b.kafka.ReadRange(ctx, topic, id.Partition, id.Offset, math.MaxInt64, func(r kafka.Record) error {
		m, isMarker := readMarker(r.Value)
		switch {
		case r.Offset == id.Offset && !isMarker:
			l = &LetterRecord{LetterInfo: readLetter(r), Letter: r.Value}
		case isMarker && m.Of == id && l != nil:
			l.State, l.RetriedAt = LetterRetried, m.At
		}
		return nil
	})
	if gone, ok := errors.AsType[*kafka.OffsetError](err); ok || err == nil && l == nil {
		text := fmt.Sprintf("no dead letter at %s of topic %s", id, topic)
		if gone != nil {
			text += fmt.Sprintf(", which now holds offsets %d to %d", gone.Start, gone.End-1)
		}
		return nil, errors.New(text + ": list them with sfbridge dlq list")
	}
	if err != nil {
		return nil, err
	}
	return l, b.fillLetter(ctx, l)
}

// fillLetter adds the letter's record, and its value in readable form if some
// schema fits.
func (b *Bridge) fillLetter(ctx context.Context, l *LetterRecord) error {
	switch {
	case l.outbound():
		rec, err := b.letterRecord(ctx, l)
		if gone := new(goneError); errors.As(err, &gone) {
			l.Missing = gone.Error()
			return nil
		}
		if err != nil {
			return err
		}
		l.Key, l.Value, l.Headers = rec.Key, rec.Value, rec.headers
	case l.Kind == kindCapture:
		var d DeadLetter
		if err := json.Unmarshal(l.Letter, &d); err != nil {
			return fmt.Errorf("dead letter %s: %w", l.ID, err)
		}
		if l.Value = d.Payload; l.Value == nil {
			l.Missing = "the event was too large for the topic; the org keeps it under its replay id for the length of its retention"
		}
		return nil
	default:
		l.Value = l.Letter
		return nil
	}
	if len(l.Value) > 0 {
		l.Decoded, _ = b.decoder.Decode(ctx, l.Value, schemas.Auto) // if it cannot be read, its bytes are shown
	}
	return nil
}

// source is a record as a flow read it.
type source struct {
	Key, Value []byte
	headers    []flow.Header
	time       time.Time
}

// goneError says that a record is neither in its letter nor in its topic.
type goneError struct{ error }

// letterRecord gives the record that a letter was made of: the letter holds
// it, or tells where it stands.
func (b *Bridge) letterRecord(ctx context.Context, l *LetterRecord) (source, error) {
	var d flow.Letter
	if err := json.Unmarshal(l.Letter, &d); err != nil {
		return source{}, fmt.Errorf("dead letter %s: %w", l.ID, err)
	}
	rec := source{Key: d.RecordKey, Value: d.Value, headers: d.Headers, time: d.Source.Time}
	if d.Value != nil || d.Tombstone {
		return rec, nil
	}
	found, err := b.recordAt(ctx, d.Source)
	if err != nil {
		return source{}, err
	}
	rec.Key, rec.Value, rec.headers = found.Key, found.Value, nil
	for _, h := range found.Headers {
		rec.headers = append(rec.headers, flow.Header{Key: h.Key, Value: h.Value})
	}
	return rec, nil
}

func (b *Bridge) recordAt(ctx context.Context, s flow.Source) (found kafka.Record, err error) {
	ok := false
	err = b.kafka.ReadRange(ctx, s.Topic, s.Partition, s.Offset, s.Offset+1, func(r kafka.Record) error {
		if r.Offset == s.Offset {
			found, ok = r, true
		}
		return nil
	})
	if _, out := errors.AsType[*kafka.OffsetError](err); out || kafka.IsUnknownTopic(err) || err == nil && !ok {
		return found, &goneError{fmt.Errorf("the record was too large for its letter and is no longer in %s, where it stood: "+
			"have its source send it again", place(s))}
	}
	return found, err
}
