package schemas

import (
	"fmt"
	"slices"

	"sfbridge/event"
)

// AppendChange appends the value of a change record in Confluent's wire format:
// the frame with id, the header written again from h with recordID alone and
// with names in the three sets, and body, which DecodeHeader gave, as it is. An
// event without record ids becomes a record without, for an empty recordID.
//
// The change type has to be a symbol of the schema, as one from DecodeHeader
// is; AppendChange panics otherwise, since any value that it could write would
// be a lie. HasChangeType asks.
func (c *Codec) AppendChange(dst []byte, id ID, h *event.Header, recordID string, body []byte) []byte {
	dst = slices.Grow(dst, headerBytes(h)+len(recordID)+len(body))
	dst = appendFrameHead(dst, id)
	src := cursor{b: body} // holds the old header if and only if there are extras
	for i := range c.header {
		f := &c.header[i]
		from := src.i
		if c.extras {
			_ = src.walk(f.node, 0) // DecodeHeader has walked it
		}
		if f.part == partOther {
			dst = append(dst, body[from:src.i]...)
			continue
		}
		if f.branch >= 0 {
			dst = appendLong(dst, int64(f.branch))
		}
		dst = appendPart(dst, f, h, recordID)
	}
	return append(dst, body[src.i:]...)
}

// headerBytes is at least what the frame and the header take, without the
// record id: so that dst grows once.
func headerBytes(h *event.Header) int {
	n := 64 + len(h.EntityName) + len(h.ChangeOrigin) + len(h.TransactionKey) + len(h.CommitUser)
	for _, set := range [...][]string{h.NulledFields, h.DiffFields, h.ChangedFields} {
		for _, name := range set {
			n += len(name) + 2
		}
	}
	return n
}

func appendPart(dst []byte, f *headerField, h *event.Header, recordID string) []byte {
	switch f.part {
	case partEntityName:
		return appendString(dst, h.EntityName)
	case partRecordIDs:
		if recordID == "" && len(h.RecordIDs) == 0 {
			return append(dst, 0)
		}
		return append(appendString(append(dst, 2), recordID), 0) // one block of one item
	case partChangeType:
		return appendChangeType(dst, f.value, h.ChangeType)
	case partChangeOrigin:
		return appendString(dst, h.ChangeOrigin)
	case partTransactionKey:
		return appendString(dst, h.TransactionKey)
	case partSequenceNumber:
		return appendLong(dst, int64(h.SequenceNumber))
	case partCommitTimestamp:
		return appendLong(dst, h.CommitTimestamp)
	case partCommitNumber:
		return appendLong(dst, h.CommitNumber)
	case partCommitUser:
		return appendString(dst, h.CommitUser)
	case partNulledFields:
		return appendStrings(dst, h.NulledFields)
	case partDiffFields:
		return appendStrings(dst, h.DiffFields)
	}
	return appendStrings(dst, h.ChangedFields)
}

func appendChangeType(dst []byte, n *node, t event.ChangeType) []byte {
	if n.kind == kindString {
		return appendString(dst, string(t))
	}
	i := slices.Index(n.symbols, string(t))
	if i < 0 {
		panic(fmt.Sprintf("schemas: change type %q is no symbol of %s", t, n.name))
	}
	return appendLong(dst, int64(i))
}
