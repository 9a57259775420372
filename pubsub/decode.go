package pubsub

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"sfbridge/event"
)

// fetchResponse is one FetchResponse, read without the generated code: events
// share one buffer and one string of ids, so that a response costs a handful
// of allocations however many events it has.
type fetchResponse struct {
	events  []event.Raw
	latest  event.ReplayID
	pending int32
	tooBig  int // size of the response when it was over the limit and not read
}

// maxEvents bounds what one response may hold; credit never goes beyond 100.
const maxEvents = 1 << 16

// Field numbers of eventbus.v1 (published pubsub_api.proto).
const (
	fetchEvents, fetchLatest, fetchPending = 1, 2, 4

	consumerEvent, consumerReplay = 1, 2

	producerID, producerSchema, producerPayload = 1, 2, 3
)

// decode reads a FetchResponse from b, which the events go on pointing into.
// names keeps the text of schema ids from one response to the next.
func (r *fetchResponse) decode(b []byte, names *interned) error {
	count := countField(b, fetchEvents)
	if count > maxEvents {
		return fmt.Errorf("%d events in one response: credit is for 100", count)
	}
	r.events, r.latest, r.pending = make([]event.Raw, count), nil, 0
	ids := make([]byte, 0, count*len("00000000-0000-0000-0000-000000000000"))
	ends := make([]int, 0, count)
	for f := (fields{rest: b}); f.next(); {
		switch {
		case f.num == fetchEvents && f.typ == protowire.BytesType:
			id, err := decodeConsumer(f.bytes, &r.events[len(ends)], names)
			if err != nil {
				return err
			}
			ids = append(ids, id...)
			ends = append(ends, len(ids))
		case f.num == fetchLatest && f.typ == protowire.BytesType:
			r.latest = f.bytes
		case f.num == fetchPending && f.typ == protowire.VarintType:
			r.pending = int32(f.varint)
		case f.err != nil:
			return f.err
		}
	}
	from, all := 0, string(ids)
	for i, end := range ends {
		r.events[i].UUID = valid(all[from:end])
		from = end
	}
	return nil
}

// decodeConsumer reads a ConsumerEvent; id is the event's UUID, in b.
func decodeConsumer(b []byte, raw *event.Raw, names *interned) (id []byte, err error) {
	for f := (fields{rest: b}); f.next(); {
		switch {
		case f.err != nil:
			return nil, f.err
		case f.typ != protowire.BytesType:
		case f.num == consumerEvent:
			if err := decodeProducer(f.bytes, raw, &id, names); err != nil {
				return nil, err
			}
		case f.num == consumerReplay:
			raw.ReplayID = f.bytes
		}
	}
	return id, nil
}

func decodeProducer(b []byte, raw *event.Raw, id *[]byte, names *interned) error {
	for f := (fields{rest: b}); f.next(); {
		switch {
		case f.err != nil:
			return f.err
		case f.typ != protowire.BytesType:
		case f.num == producerID:
			*id = f.bytes
		case f.num == producerSchema:
			raw.SchemaID = event.SchemaID(names.get(f.bytes))
		case f.num == producerPayload:
			raw.Payload = f.bytes
		}
	}
	return nil
}

// fields walks over the fields of a message.
type fields struct {
	rest   []byte
	num    protowire.Number
	typ    protowire.Type
	bytes  []byte // of a field of that type; capped, so that appending cannot reach its neighbour
	varint uint64 // of a field of that type
	err    error  // the message is cut off or malformed here
}

// next goes to the next field, or to the error; it returns false at the end.
func (f *fields) next() bool {
	if len(f.rest) == 0 || f.err != nil {
		return false
	}
	var size int
	if f.num, f.typ, size = protowire.ConsumeTag(f.rest); size < 0 {
		return f.broken(size)
	}
	f.rest = f.rest[size:]
	switch f.typ {
	case protowire.BytesType:
		f.bytes, size = protowire.ConsumeBytes(f.rest)
		f.bytes = f.bytes[:len(f.bytes):len(f.bytes)]
	case protowire.VarintType:
		f.varint, size = protowire.ConsumeVarint(f.rest)
	default:
		size = protowire.ConsumeFieldValue(f.num, f.typ, f.rest)
	}
	if size < 0 {
		return f.broken(size)
	}
	f.rest = f.rest[size:]
	return true
}

// broken stores what is wrong and stands on a field that is none.
func (f *fields) broken(size int) bool {
	f.err = fmt.Errorf("response is malformed: %w", protowire.ParseError(size))
	f.num, f.typ = 0, 0
	return true
}

// countField counts the fields with a number, as far as b can be read.
func countField(b []byte, want protowire.Number) (count int) {
	for f := (fields{rest: b}); f.next(); {
		if f.num == want && f.typ == protowire.BytesType {
			count++
		}
	}
	return count
}

// valid replaces what is not UTF-8. The service sends UUIDs; but a publisher
// chooses its event's id, and one bad id must not stop a channel.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// interned keeps the strings of the few schema ids that a channel has.
type interned struct {
	texts map[string]string
	last  string
}

// internMax bounds the table, should a channel ever have a schema an event.
const internMax = 1024

func (t *interned) get(b []byte) string {
	if string(b) == t.last { // nearly always
		return t.last
	}
	if s, ok := t.texts[string(b)]; ok {
		t.last = s
		return s
	}
	if t.texts == nil || len(t.texts) >= internMax {
		t.texts = make(map[string]string)
	}
	s := valid(string(b))
	t.texts[string(b)] = s
	return s
}
