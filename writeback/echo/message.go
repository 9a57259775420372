package echo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"sfbridge/writeback/rows"
)

// A record of the topic is a version and any number of messages: a kind, a
// length, and a body. Readers pass over kinds that they do not know.
const version = 1

const (
	kindAnnounce = 'A' // rows about to be written
	kindDone     = 'D' // what became of the rows of one announcement
)

// maxMessage is about how large a message or record gets: well below what
// topics take by default.
const maxMessage = 512 << 10

// batchID names one announcement: a large batch is announced in several, which
// begin at different rows.
type batchID struct {
	process uint64
	seq     uint64
	first   uint32
}

// announcement is the content of one message, and what is kept of it.
type announcement struct {
	id       batchID
	org      string
	object   string
	keyPath  string // of the external id field in events, "" if there is none
	fields   []field
	shapes   []shape
	rows     []row
	values   []uint64 // hashes of all rows, row after row
	ids      []uint64 // hash of each row's record id, 0 if it is not known
	keyHash  []uint64 // hash of each row's external id, 0 for none
	allKnown bool     // every row has an id
}

// field is one field that some row of a batch writes.
type field struct {
	path  string
	class class
}

// shape is what rows of one operation and the same fields have in common.
type shape struct {
	op     rows.Operation
	fields []int // indexes, in the order of a row's values
}

// row is one write: its values are from..from+len(shape.fields) of values.
type row struct {
	shape uint32
	from  uint32
	used  bool
}

// operations gives the codes of operations in the topic; never renumber them.
var operations = [...]rows.Operation{"", rows.Insert, rows.Update, rows.Upsert, rows.Delete, rows.Undelete}

// flags of a row in the topic.
const (
	flagID  = 1
	flagKey = 2
)

// appendMessage appends one message.
func appendMessage(dst []byte, kind byte, body []byte) []byte {
	dst = binary.AppendUvarint(append(dst, kind), uint64(len(body)))
	return append(dst, body...)
}

func (id batchID) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, id.process)
	dst = binary.AppendUvarint(dst, id.seq)
	return binary.AppendUvarint(dst, uint64(id.first))
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// appendDone appends the body of a Done: the hashes of record ids, 0 for rows
// that were not written. No ids at all say that no row was.
func appendDone(dst []byte, id batchID, ids []uint64) []byte {
	dst = binary.AppendUvarint(id.append(dst), uint64(len(ids)))
	for _, h := range ids {
		dst = binary.BigEndian.AppendUint64(dst, h)
	}
	return dst
}

// builder makes the body of one announcement, row by row.
type builder struct {
	fields  map[field]int
	order   []field
	shapes  map[string]int
	list    []byte // the shapes, encoded
	rows    []byte
	n       uint32
	head    int // bytes of names so far
	pending []int
	hashes  []uint64
	code    []byte
}

func (b *builder) reset() {
	if b.fields == nil {
		b.fields, b.shapes = map[field]int{}, map[string]int{}
	}
	clear(b.fields)
	clear(b.shapes)
	b.order, b.list, b.rows, b.n, b.head = b.order[:0], b.list[:0], b.rows[:0], 0, 0
}

// size is about how long the body is.
func (b *builder) size() int { return b.head + len(b.list) + len(b.rows) }

// value adds a value to the row in the making.
func (b *builder) value(f field, hash uint64) {
	i, ok := b.fields[f]
	if !ok {
		i = len(b.order)
		b.fields[f] = i
		b.order = append(b.order, f)
		b.head += len(f.path) + 3
	}
	b.pending = append(b.pending, i)
	b.hashes = append(b.hashes, hash)
	// In one order, whatever order the row has, so that rows share their shapes.
	for at := len(b.pending) - 1; at > 0 && b.pending[at-1] > i; at-- {
		b.pending[at], b.pending[at-1] = b.pending[at-1], b.pending[at]
		b.hashes[at], b.hashes[at-1] = b.hashes[at-1], b.hashes[at]
	}
}

// row ends a row.
func (b *builder) row(op rows.Operation, id, key uint64) {
	b.code = append(b.code[:0], byte(max(0, slices.Index(operations[:], op))))
	b.code = binary.AppendUvarint(b.code, uint64(len(b.pending)))
	for _, i := range b.pending {
		b.code = binary.AppendUvarint(b.code, uint64(i))
	}
	s, ok := b.shapes[string(b.code)]
	if !ok {
		s = len(b.shapes)
		b.shapes[string(b.code)] = s
		b.list = append(b.list, b.code...)
	}
	b.rows = binary.AppendUvarint(b.rows, uint64(s))
	flags := byte(0)
	if id != 0 {
		flags |= flagID
	}
	if key != 0 {
		flags |= flagKey
	}
	b.rows = append(b.rows, flags)
	for _, h := range [...]uint64{id, key} {
		if h != 0 {
			b.rows = binary.BigEndian.AppendUint64(b.rows, h)
		}
	}
	for _, h := range b.hashes {
		b.rows = binary.BigEndian.AppendUint64(b.rows, h)
	}
	b.pending, b.hashes, b.n = b.pending[:0], b.hashes[:0], b.n+1
}

// appendBody appends the body that has been built.
func (b *builder) appendBody(dst []byte, id batchID, org, object, keyPath string) []byte {
	dst = id.append(dst)
	dst = appendText(appendText(appendText(dst, org), object), keyPath)
	dst = binary.AppendUvarint(dst, uint64(len(b.order)))
	for _, f := range b.order {
		dst = append(appendText(dst, f.path), byte(f.class))
	}
	dst = append(binary.AppendUvarint(dst, uint64(len(b.shapes))), b.list...)
	dst = binary.AppendUvarint(dst, uint64(b.n))
	return append(dst, b.rows...)
}

var (
	errVersion = errors.New("written by a newer version")
	errShort   = errors.New("ends too early")
	errNumber  = errors.New("a number is out of range")
)

// decoder reads what builder and appendDone write. Its first error stays.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.b = nil
}

func (d *decoder) uvarint(limit uint64) uint64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 || n > limit {
		if size == 0 {
			d.fail(errShort)
		} else {
			d.fail(errNumber)
		}
		return 0
	}
	d.b = d.b[size:]
	return n
}

// count reads how many things follow that take at least size bytes each.
func (d *decoder) count(size int) int { return int(d.uvarint(uint64(len(d.b) / size))) }

func (d *decoder) bytes(n int) []byte {
	if n > len(d.b) {
		d.fail(errShort)
		return nil
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) byte() byte {
	if b := d.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if b := d.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) text() string { return string(d.bytes(d.count(1))) }

func (d *decoder) batchID() batchID {
	return batchID{process: d.uint64(), seq: d.uvarint(1 << 62), first: uint32(d.uvarint(1<<32 - 1))}
}

// messages calls fn with each message of a record.
func messages(value []byte, fn func(kind byte, body []byte) error) error {
	d := decoder{b: value}
	if v := d.byte(); d.err == nil && v != version {
		return errVersion
	}
	for len(d.b) > 0 {
		kind := d.byte()
		body := d.bytes(d.count(1))
		if d.err != nil {
			break
		}
		if err := fn(kind, body); err != nil {
			return err
		}
	}
	return d.err
}

// decodeAnnouncement reads the body of an announcement. Nothing in it refers to
// body.
func decodeAnnouncement(body []byte) (*announcement, error) {
	d := decoder{b: body}
	a := &announcement{id: d.batchID(), org: d.text(), object: d.text(), keyPath: d.text()}
	a.fields = make([]field, d.count(2))
	for i := range a.fields {
		a.fields[i] = field{d.text(), class(d.byte())}
	}
	a.shapes = make([]shape, d.count(2))
	for i := range a.shapes {
		d.shape(&a.shapes[i], len(a.fields))
	}
	d.rows(a)
	if d.err == nil && len(d.b) > 0 {
		d.fail(errNumber)
	}
	if d.err != nil {
		return nil, fmt.Errorf("announcement of writes: %w", d.err)
	}
	return a, nil
}

func (d *decoder) shape(s *shape, fields int) {
	op := d.byte()
	if op == 0 || int(op) >= len(operations) {
		d.fail(errNumber)
		return
	}
	s.op = operations[op]
	s.fields = make([]int, d.count(1))
	for i := range s.fields {
		if s.fields[i] = int(d.uvarint(1 << 31)); s.fields[i] >= fields {
			d.fail(errNumber)
			return
		}
	}
}

func (d *decoder) rows(a *announcement) {
	n := d.count(2)
	a.rows, a.ids = make([]row, n), make([]uint64, n)
	a.values = make([]uint64, 0, min(len(d.b)/8, n*16))
	a.keyHash = make([]uint64, n)
	a.allKnown = true
	for i := range a.rows {
		s := d.uvarint(1 << 31)
		if d.err == nil && s >= uint64(len(a.shapes)) {
			d.fail(errNumber)
		}
		flags := d.byte()
		if flags&flagID != 0 {
			a.ids[i] = d.uint64()
		}
		if flags&flagKey != 0 {
			a.keyHash[i] = d.uint64()
		}
		if d.err != nil {
			return
		}
		a.allKnown = a.allKnown && a.ids[i] != 0
		a.rows[i] = row{shape: uint32(s), from: uint32(len(a.values))}
		for range a.shapes[s].fields {
			a.values = append(a.values, d.uint64())
		}
	}
}

// decodeDone reads the body of a Done.
func decodeDone(body []byte) (id batchID, ids []uint64, err error) {
	d := decoder{b: body}
	id = d.batchID()
	ids = make([]uint64, d.count(8))
	for i := range ids {
		ids[i] = d.uint64()
	}
	if d.err == nil && len(d.b) > 0 {
		d.fail(errNumber)
	}
	if d.err != nil {
		return id, nil, fmt.Errorf("outcome of writes: %w", d.err)
	}
	return id, ids, nil
}
