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
	r.events, r.latest, r.pending = make([]event.Raw, 0, count), nil, 0
	ids := make([]byte, 0, cap(r.events)*len("00000000-0000-0000-0000-000000000000"))
	ends := make([]int, 0, cap(r.events))
	err := eachField(b, func(num protowire.Number, typ protowire.Type, v []byte, n uint64) error {
		switch {
		case num == fetchEvents && typ == protowire.BytesType:
			var raw event.Raw
			var id []byte
			if err := decodeConsumer(v, &raw, &id, names); err != nil {
				return err
			}
			r.events = append(r.events, raw)
			ids = append(ids, id...)
			ends = append(ends, len(ids))
		case num == fetchLatest && typ == protowire.BytesType:
			r.latest = v
		case num == fetchPending && typ == protowire.VarintType:
			r.pending = int32(n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	from, all := 0, string(ids)
	for i, end := range ends {
		r.events[i].UUID = valid(all[from:end])
		from = end
	}
	return nil
}

// decodeConsumer reads a ConsumerEvent; id is the event's UUID, in b.
func decodeConsumer(b []byte, raw *event.Raw, id *[]byte, names *interned) error {
	return eachField(b, func(num protowire.Number, typ protowire.Type, v []byte, _ uint64) error {
		if typ != protowire.BytesType {
			return nil
		}
		switch num {
		case consumerEvent:
			return decodeProducer(v, raw, id, names)
		case consumerReplay:
			raw.ReplayID = v
		}
		return nil
	})
}

func decodeProducer(b []byte, raw *event.Raw, id *[]byte, names *interned) error {
	return eachField(b, func(num protowire.Number, typ protowire.Type, v []byte, _ uint64) error {
		if typ != protowire.BytesType {
			return nil
		}
		switch num {
		case producerID:
			*id = v
		case producerSchema:
			raw.SchemaID = event.SchemaID(names.get(v))
		case producerPayload:
			raw.Payload = v
		}
		return nil
	})
}

// eachField walks the fields of a message: v has the bytes of a field of that
// type, n the number of a varint. Slices are capped, so that appending to one
// cannot reach its neighbour.
func eachField(b []byte, see func(num protowire.Number, typ protowire.Type, v []byte, n uint64) error) error {
	for len(b) > 0 {
		num, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return fmt.Errorf("field tag: %w", protowire.ParseError(size))
		}
		b = b[size:]
		var v []byte
		var n uint64
		switch typ {
		case protowire.BytesType:
			v, size = protowire.ConsumeBytes(b)
			v = v[:len(v):len(v)]
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(b)
		default:
			size = protowire.ConsumeFieldValue(num, typ, b)
		}
		if size < 0 {
			return fmt.Errorf("field %d: %w", num, protowire.ParseError(size))
		}
		b = b[size:]
		if err := see(num, typ, v, n); err != nil {
			return err
		}
	}
	return nil
}

// countField counts the fields with a number, as far as b can be read.
func countField(b []byte, want protowire.Number) (count int) {
	for len(b) > 0 {
		num, typ, size := protowire.ConsumeField(b)
		if size < 0 {
			break
		}
		if num == want && typ == protowire.BytesType {
			count++
		}
		b = b[size:]
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
type interned struct{ texts map[string]string }

// internMax bounds the table, should a channel ever have a schema an event.
const internMax = 1024

func (t *interned) get(b []byte) string {
	if s, ok := t.texts[string(b)]; ok {
		return s
	}
	if t.texts == nil || len(t.texts) >= internMax {
		t.texts = make(map[string]string)
	}
	s := valid(string(b))
	t.texts[string(b)] = s
	return s
}
