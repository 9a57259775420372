package orgsim

import (
	"net"

	"sfbridge/event"
)

// NextCommit fixes the numbers of the next commit.
func (o *Org) NextCommit(key string, number int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.commits.nextKey, o.commits.nextNumber = key, number
}

// EncodeEmpty encodes an event of an object that has only a header.
func (o *Org) EncodeEmpty(object string, h event.Header) []byte {
	return o.tables[object].schema.appendBody(appendHeader(nil, &h), emptyBody())
}

// TextDiff is the large-text diff of an update.
func TextDiff(old, now string) (string, bool) { return textDiff(old, now) }

// Mask renders a set of top-level positions and of parts of compounds.
func Mask(top []int, nested map[int][]int, emptyFirst bool) []string {
	var m fieldMask
	for _, i := range top {
		m.add(i, -1)
	}
	for i, parts := range nested {
		for _, j := range parts {
			m.add(i, j)
		}
	}
	return m.strings(emptyFirst)
}

// StoredEvent is what lies on the bus.
type StoredEvent struct {
	Entity, UUID string
	SchemaID     event.SchemaID
	Payload      []byte
	ReplayID     event.ReplayID
}

// Stored lists all retained events of some entities.
func (o *Org) Stored(entities ...string) []StoredEvent {
	var out []StoredEvent
	for _, e := range o.bus.fetch(entities, 0, true, 1<<30) {
		out = append(out, StoredEvent{e.entity, e.uuid, e.schemaID, e.payload, replayID(e.counter, o.bus.idBytes)})
	}
	return out
}

// FaultConn wraps a connection as the server does.
type FaultConn struct{ *faultConn }

// NewFaultConn wraps a connection.
func NewFaultConn(c net.Conn) FaultConn {
	return FaultConn{&faultConn{Conn: c, closed: make(chan struct{})}}
}

// ResetOn replaces the next frame with the marker by a reset.
func (c FaultConn) ResetOn(marker []byte) { c.resetOn(marker) }

// GoAway puts a GOAWAY frame in.
func (c FaultConn) GoAway() error { return c.goAway(0, "") }

// BusSize is the number of events retained.
func (o *Org) BusSize() int { return o.bus.size() }
