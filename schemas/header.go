package schemas

import (
	"errors"
	"fmt"
	"slices"

	"sfbridge/event"
)

// headerName is the name of field 0 of every change event.
const headerName = "ChangeEventHeader"

// ErrNotChangeEvent says that a schema has no ChangeEventHeader.
var ErrNotChangeEvent = errors.New("not a change event")

// maxRecordIDs is more than an event of 1 MiB, the platform's limit, can name.
const maxRecordIDs = 100_000

// part is what a field of the header is to us.
type part uint8

const (
	partOther part = iota // unknown: carried as it is
	partEntityName
	partRecordIDs
	partChangeType
	partChangeOrigin
	partTransactionKey
	partSequenceNumber
	partCommitTimestamp
	partCommitNumber
	partCommitUser
	partNulledFields
	partDiffFields
	partChangedFields
)

// headerParts gives the twelve fields that Salesforce documents, and the types
// that they may have.
var headerParts = map[string]struct {
	part  part
	kinds []kind
}{
	"entityName":      {partEntityName, []kind{kindString}},
	"recordIds":       {partRecordIDs, []kind{kindArray}},
	"changeType":      {partChangeType, []kind{kindEnum, kindString}},
	"changeOrigin":    {partChangeOrigin, []kind{kindString}},
	"transactionKey":  {partTransactionKey, []kind{kindString}},
	"sequenceNumber":  {partSequenceNumber, []kind{kindInt, kindLong}},
	"commitTimestamp": {partCommitTimestamp, []kind{kindLong}},
	"commitNumber":    {partCommitNumber, []kind{kindLong}},
	"commitUser":      {partCommitUser, []kind{kindString}},
	"nulledFields":    {partNulledFields, []kind{kindArray}},
	"diffFields":      {partDiffFields, []kind{kindArray}},
	"changedFields":   {partChangedFields, []kind{kindArray}},
}

// headerField is one step of reading and writing a header, in schema order. All
// schemas seen have the twelve parts in one order, but a header with more
// fields, another order or nullable fields works the same way.
type headerField struct {
	part   part
	name   string
	node   *node // the whole type, for what is carried
	value  *node // the type without the union around it
	branch int   // of value in the union; -1 if there is no union
}

func isChangeEvent(root *node) bool {
	return root.kind == kindRecord && len(root.fields) > 0 &&
		root.fields[0].name == headerName && root.fields[0].node.kind == kindRecord
}

func (c *Codec) planHeader(header *node) error {
	var ids, kinds bool
	for _, f := range header.fields {
		known := headerParts[f.name]
		hf := headerField{part: known.part, name: f.name, node: f.node, value: f.node, branch: -1}
		if hf.part == partOther {
			c.extras = true
			c.header = append(c.header, hf)
			continue
		}
		for i, b := range f.node.union {
			if slices.Contains(known.kinds, b.kind) {
				hf.value, hf.branch = b, i
			}
		}
		if !slices.Contains(known.kinds, hf.value.kind) || hf.value.kind == kindArray && hf.value.items.kind != kindString {
			return fmt.Errorf("field %s of %s has an unexpected type, %s", f.name, headerName, f.node.kind)
		}
		ids = ids || hf.part == partRecordIDs
		kinds = kinds || hf.part == partChangeType
		c.header = append(c.header, hf)
	}
	if !ids || !kinds {
		return fmt.Errorf("%s lacks recordIds or changeType", headerName)
	}
	return nil
}

// HasChangeType tells whether AppendChange can write t with this schema.
func (c *Codec) HasChangeType(t event.ChangeType) bool {
	for _, f := range c.header {
		if f.part == partChangeType {
			return f.value.kind == kindString || slices.Contains(f.value.symbols, string(t))
		}
	}
	return false
}

// DecodeHeader reads the ChangeEventHeader of a change event into h, whose
// slices are used again, and resolves the three bitmap sets into names by this
// schema. The strings of h share one copy of the header's bytes; nothing in h
// refers to payload.
//
// The body is what AppendChange wants: the part of payload behind the header,
// as it came. (Only for a header with fields that event.Header lacks it is the
// whole payload, so that AppendChange can carry them.) It aliases payload, and
// is not checked: see DecodeEvent.
//
// The error is ErrNotChangeEvent or a *PayloadError; h is then unspecified.
func (c *Codec) DecodeHeader(payload []byte, h *event.Header) (body []byte, err error) {
	if c.header == nil {
		return nil, fmt.Errorf("schema %s (%s): %w", c.id, c.name, ErrNotChangeEvent)
	}
	_, body, err = c.decodeHeader(payload, h)
	return body, err
}

// DecodeEvent is DecodeHeader and CheckPayload in one pass: the whole event is
// known to decode when it returns without an error.
func (c *Codec) DecodeEvent(payload []byte, h *event.Header) (body []byte, err error) {
	if c.header == nil {
		return nil, fmt.Errorf("schema %s (%s): %w", c.id, c.name, ErrNotChangeEvent)
	}
	cur, body, err := c.decodeHeader(payload, h)
	if err != nil {
		return nil, err
	}
	for i := range c.root.fields[1:] {
		f := &c.root.fields[i+1]
		if err := cur.walk(f.node, 1); err != nil {
			return nil, c.payloadError(&cur, inField(f.name, err))
		}
	}
	if cur.left() > 0 {
		return nil, c.payloadError(&cur, errTrailing)
	}
	return body, nil
}

// decodeHeader also returns a cursor behind the header.
func (c *Codec) decodeHeader(payload []byte, h *event.Header) (cur cursor, body []byte, err error) {
	cur = cursor{b: payload}
	if err := cur.walk(c.root.fields[0].node, 1); err != nil {
		return cur, nil, c.payloadError(&cur, inField(headerName, err))
	}
	r := headerReader{cursor: cursor{b: payload[:cur.i]}, text: string(payload[:cur.i])}
	if err := c.readHeader(&r, h); err != nil {
		return cur, nil, c.payloadError(&r.cursor, inField(headerName, err))
	}
	if c.extras {
		return cur, payload, nil
	}
	return cur, payload[cur.i:], nil
}

// headerReader reads a header that has been walked, so its structure is sound.
type headerReader struct {
	cursor
	text string // the same bytes, for strings that share them
}

func (r *headerReader) string() string {
	from, to, err := r.span()
	if err != nil {
		return ""
	}
	return r.text[from:to]
}

// strings appends an array's items to dst.
func (r *headerReader) strings(dst []string) []string {
	for {
		count, end, err := r.block(1)
		if err != nil || count == 0 && end < 0 {
			return dst
		}
		for range count {
			dst = append(dst, r.string())
		}
	}
}

func (c *Codec) readHeader(r *headerReader, h *event.Header) error {
	sets := event.Header{
		RecordIDs: h.RecordIDs[:0], NulledFields: h.NulledFields[:0],
		DiffFields: h.DiffFields[:0], ChangedFields: h.ChangedFields[:0],
	}
	*h = sets
	for i := range c.header {
		f := &c.header[i]
		if f.part == partOther {
			if err := r.walk(f.node, 0); err != nil {
				return inField(f.name, err)
			}
			continue
		}
		if f.branch >= 0 {
			if branch, err := r.long(); err != nil || int(branch) != f.branch {
				if err == nil {
					err = r.walk(f.node.union[branch], 0) // null, or a type we do not use
				}
				if err != nil {
					return inField(f.name, err)
				}
				continue
			}
		}
		if err := c.readPart(r, f, h); err != nil {
			return inField(f.name, err)
		}
	}
	return nil
}

func (c *Codec) readPart(r *headerReader, f *headerField, h *event.Header) (err error) {
	switch f.part {
	case partEntityName:
		h.EntityName = r.string()
	case partRecordIDs:
		if h.RecordIDs = r.strings(h.RecordIDs); len(h.RecordIDs) > maxRecordIDs {
			return errTooManyIDs
		}
	case partChangeType:
		h.ChangeType, err = r.changeType(f.value)
	case partChangeOrigin:
		h.ChangeOrigin = r.string()
	case partTransactionKey:
		h.TransactionKey = r.string()
	case partSequenceNumber:
		var n int64
		n, err = r.long()
		if h.SequenceNumber = int32(n); err == nil && int64(h.SequenceNumber) != n {
			err = errVarint
		}
	case partCommitTimestamp:
		h.CommitTimestamp, err = r.long()
	case partCommitNumber:
		h.CommitNumber, err = r.long()
	case partCommitUser:
		h.CommitUser = r.string()
	case partNulledFields:
		h.NulledFields, err = c.readSet(r, h.NulledFields)
	case partDiffFields:
		h.DiffFields, err = c.readSet(r, h.DiffFields)
	case partChangedFields:
		h.ChangedFields, err = c.readSet(r, h.ChangedFields)
	}
	return err
}

func (r *headerReader) changeType(n *node) (event.ChangeType, error) {
	if n.kind == kindString {
		return event.ChangeType(r.string()), nil
	}
	i, err := r.index(len(n.symbols), errSymbol)
	if err != nil {
		return "", err
	}
	return event.ChangeType(n.symbols[i]), nil
}

// readSet reads a set of bitmaps and appends the names to dst. The elements
// need no place of their own: six are more than any sample has.
func (c *Codec) readSet(r *headerReader, dst []string) ([]string, error) {
	var elements [6]string
	return c.bitmaps.appendNames(dst, r.strings(elements[:0]))
}
