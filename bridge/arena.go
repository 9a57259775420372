package bridge

import (
	"encoding/hex"
	"sync"

	"sfbridge/event"
	"sfbridge/kafka"
)

// arena holds all that one response became: a handful of allocations and not a
// handful per record, and none once arenas come back from their transactions.
type arena struct {
	buf     []byte
	headers []kafka.Header
	records []kafka.Record
	aside   []string // reasons of the dead letters among the records
	gaps    []event.ChangeType
	echoes  echoCount
}

// count counts what came to pass once the records are committed: a response
// that is encoded again after a failure is one response.
func (a *arena) count(m *metrics) {
	for _, reason := range a.aside {
		m.deadLetters.WithLabelValues(reason).Inc()
	}
	for _, t := range a.gaps {
		m.gaps.WithLabelValues(string(t), "kept").Inc()
	}
	a.echoes.count()
}

// arenas are those whose transactions are committed. Those of failed ones are
// not taken back: a connection that was given up may still read from them.
type arenas struct{ pool sync.Pool }

// maxArena is the size of a buffer beyond which it is not kept.
const maxArena = 512 << 10

func (p *arenas) take(events []event.Raw) *arena {
	size := 0
	for i := range events {
		size += len(events[i].Payload) + len(events[i].Payload)/8 + 384
	}
	a, _ := p.pool.Get().(*arena)
	if a == nil {
		a = new(arena)
	}
	a.buf, a.headers, a.records = a.buf[:0], a.headers[:0], a.records[:0]
	a.aside, a.gaps, a.echoes = a.aside[:0], a.gaps[:0], echoCount{}
	a.reserve(size)
	if n := headersPerRecord * len(events); cap(a.headers) < n {
		a.headers = make([]kafka.Header, 0, n)
	}
	if cap(a.records) < len(events) {
		a.records = make([]kafka.Record, 0, len(events))
	}
	return a
}

func (p *arenas) give(a *arena) {
	if a != nil && cap(a.buf) <= maxArena {
		p.pool.Put(a)
	}
}

// reserve makes room for n bytes without moving what was handed out.
func (a *arena) reserve(n int) {
	if cap(a.buf)-len(a.buf) < n {
		a.buf = make([]byte, 0, max(n, 16<<10))
	}
}

func (a *arena) copy(s string) []byte {
	a.reserve(len(s))
	start := len(a.buf)
	a.buf = append(a.buf, s...)
	return a.buf[start:len(a.buf):len(a.buf)]
}

func (a *arena) copyBytes(b []byte) []byte {
	a.reserve(len(b))
	start := len(a.buf)
	a.buf = append(a.buf, b...)
	return a.buf[start:len(a.buf):len(a.buf)]
}

func (a *arena) hex(b []byte) []byte {
	a.reserve(hex.EncodedLen(len(b)))
	start := len(a.buf)
	a.buf = hex.AppendEncode(a.buf, b)
	return a.buf[start:len(a.buf):len(a.buf)]
}

func (a *arena) header(k string, v []byte) {
	a.headers = append(a.headers, kafka.Header{Key: k, Value: v})
}

// takeHeaders ends the current record's headers.
func (a *arena) takeHeaders(start int) []kafka.Header {
	return a.headers[start:len(a.headers):len(a.headers)]
}
