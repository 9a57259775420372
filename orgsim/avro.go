package orgsim

import (
	"encoding/binary"
	"math"
	"slices"

	"sfbridge/event"
)

// The Avro binary encoding of what events hold. Arrays are written as one
// block with a positive count, as the live service does.

func appendLong(dst []byte, n int64) []byte {
	return binary.AppendUvarint(dst, uint64(n)<<1^uint64(n>>63))
}

func appendText(dst []byte, s string) []byte {
	return append(appendLong(dst, int64(len(s))), s...)
}

func appendTexts(dst []byte, list []string) []byte {
	if len(list) > 0 {
		dst = appendLong(dst, int64(len(list)))
		for _, s := range list {
			dst = appendText(dst, s)
		}
	}
	return append(dst, 0)
}

// appendHeader writes the ChangeEventHeader; the three sets are bitmaps.
func appendHeader(dst []byte, h *event.Header) []byte {
	dst = appendText(dst, h.EntityName)
	dst = appendTexts(dst, h.RecordIDs)
	dst = appendLong(dst, int64(slices.Index(event.ChangeTypes[:], h.ChangeType)))
	dst = appendText(dst, h.ChangeOrigin)
	dst = appendText(dst, h.TransactionKey)
	dst = appendLong(dst, int64(h.SequenceNumber))
	dst = appendLong(dst, h.CommitTimestamp)
	dst = appendLong(dst, h.CommitNumber)
	dst = appendText(dst, h.CommitUser)
	dst = appendTexts(dst, h.NulledFields)
	dst = appendTexts(dst, h.DiffFields)
	return appendTexts(dst, h.ChangedFields)
}

// appendValue writes a value in the base type of its field.
func appendValue(dst []byte, avro string, v Value) []byte {
	switch avro {
	case "boolean":
		return append(dst, byte(v.num&1))
	case "int":
		return appendLong(dst, v.num)
	case "long":
		n := v.num
		if v.kind == KindDate {
			n *= 86_400_000 // dates travel as midnight UTC in milliseconds
		}
		return appendLong(dst, n)
	case "double":
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Float64()))
	}
	return appendText(dst, v.text)
}

// body says which values of an event go out.
type body struct {
	// pick gives the value at position i, or of part j of the compound there
	// when j >= 0; null for what the event does not carry.
	pick func(i, j int) Value
	// keepEmpty tells whether the compound at position i is written as a
	// record of nulls when nothing in it is picked.
	keepEmpty func(i int) bool
}

// appendBody writes the fields of an event's record after the header.
func (s *schema) appendBody(dst []byte, b body) []byte {
	for i := range s.fields {
		f := &s.fields[i]
		switch {
		case f.avro == "ChangeEventHeader":
			continue
		case f.compound():
			dst = f.appendCompound(dst, i, b)
		case f.required:
			dst = appendValue(dst, f.avro, b.pick(i, -1))
		default:
			dst = appendNullable(dst, f.avro, b.pick(i, -1))
		}
	}
	return dst
}

func appendNullable(dst []byte, avro string, v Value) []byte {
	if v.IsNull() {
		return append(dst, 0)
	}
	return appendValue(append(dst, 2), avro, v)
}

// appendCompound writes a compound: null when nothing in it is picked, else
// the record. Account.Name is text for business accounts.
func (f *schemaField) appendCompound(dst []byte, i int, b body) []byte {
	if len(f.union) > 0 {
		if v := b.pick(i, -1); !v.IsNull() {
			return appendText(append(dst, 2), v.text)
		}
	}
	any := b.keepEmpty != nil && b.keepEmpty(i)
	for j := range f.inner {
		any = any || !b.pick(i, j).IsNull()
	}
	if !any {
		return append(dst, 0)
	}
	dst = appendLong(dst, int64(len(f.union)+1))
	for j := range f.inner {
		dst = appendNullable(dst, f.inner[j].avro, b.pick(i, j))
	}
	return dst
}
