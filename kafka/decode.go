package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/segmentio/kafka-go/compress"
)

var errShort = errors.New("ends too early")

// rawBatch is a record batch as it came, its header read and its checksum verified.
type rawBatch struct {
	base       int64 // offset of the first record that was in it; compaction may have removed that one
	last       int64 // offset of the last
	attributes uint16
	producerID int64
	firstTime  int64
	maxTime    int64
	count      int
	body       []byte // records, packed as attributes say
}

func (b *rawBatch) control() bool       { return b.attributes&controlFlag != 0 }
func (b *rawBatch) transactional() bool { return b.attributes&transactionalFlag != 0 }

// nextBatch splits the first whole batch off data. ok is false when data holds no whole batch: brokers cut a response at its
// size limit without regard to where batches end.
func nextBatch(data []byte) (b rawBatch, rest []byte, ok bool, err error) {
	if len(data) < batchHeaderBytes {
		return b, nil, false, nil
	}
	if magic := data[atMagic]; magic != 2 {
		return b, nil, false, fmt.Errorf("record batch of format %d: only format 2, of Kafka 0.11 and later, is read", magic)
	}
	length := int(int32(binary.BigEndian.Uint32(data[atLength:])))
	if length < batchHeaderBytes-atLeaderEpoch {
		return b, nil, false, fmt.Errorf("record batch of %d bytes: shorter than its header", length)
	}
	total := atLeaderEpoch + length
	if total > len(data) {
		return b, nil, false, nil
	}
	buf := data[:total:total]
	if want, got := binary.BigEndian.Uint32(buf[atCRC:]), crc32.Checksum(buf[atAttributes:], castagnoli); got != want {
		return b, nil, false, fmt.Errorf("record batch with checksum %08x, computed %08x", want, got)
	}
	lastDelta := int32(binary.BigEndian.Uint32(buf[atLastOffsetDelta:]))
	b = rawBatch{
		base:       int64(binary.BigEndian.Uint64(buf[atBaseOffset:])),
		attributes: binary.BigEndian.Uint16(buf[atAttributes:]),
		producerID: int64(binary.BigEndian.Uint64(buf[atProducerID:])),
		firstTime:  int64(binary.BigEndian.Uint64(buf[atFirstTimestamp:])),
		maxTime:    int64(binary.BigEndian.Uint64(buf[atMaxTimestamp:])),
		count:      int(int32(binary.BigEndian.Uint32(buf[atCount:]))),
		body:       buf[batchHeaderBytes:],
	}
	b.last = b.base + int64(lastDelta)
	if b.base < 0 || lastDelta < 0 || b.last < b.base || b.count < 0 || b.count > int(lastDelta)+1 {
		return rawBatch{}, nil, false, fmt.Errorf("record batch at offset %d with last delta %d and %d records", b.base, lastDelta, b.count)
	}
	return b, data[total:], true, nil
}

// logAppendTimeFlag tells that the broker's clock stamped the whole batch, at its maximum timestamp.
const logAppendTimeFlag = 0x08

// minRecordBytes is the least a record takes: length, attributes, two deltas, two null lengths, a header count.
const minRecordBytes = 7

// decoder turns batches into records. Keys and values point into the bytes given, or into what they were unpacked to.
type decoder struct {
	names   map[string]string // header keys seen, so that each is allocated once
	headers []Header          // to be handed out in pieces
}

// appendRecords appends the records of b from offset from on to dst.
func (d *decoder) appendRecords(dst []Record, b rawBatch, topic string, partition int32, from int64) ([]Record, error) {
	body := b.body
	if codec := compress.Compression(b.attributes & codecMask); codec != compress.None {
		var err error
		if body, err = decompress(body, codec); err != nil {
			return dst, fmt.Errorf("batch at offset %d: %w", b.base, err)
		}
	}
	if b.count > len(body)/minRecordBytes {
		return dst, fmt.Errorf("batch at offset %d: %d records in %d bytes", b.base, b.count, len(body))
	}
	dst = slices.Grow(dst, b.count)
	c := cursor{buf: body}
	for range b.count {
		n := c.varint()
		rc := cursor{buf: c.take(n)}
		if c.err != nil {
			return dst, fmt.Errorf("batch at offset %d: record length: %w", b.base, c.err)
		}
		rec, err := d.record(&rc, b)
		if err != nil {
			return dst, fmt.Errorf("batch at offset %d: %w", b.base, err)
		}
		if rec.Offset < from {
			continue // the batch began before the position asked for
		}
		rec.Topic, rec.Partition = topic, partition
		dst = append(dst, rec)
	}
	return dst, nil
}

func (d *decoder) record(c *cursor, b rawBatch) (Record, error) {
	c.take(1) // attributes: none are defined
	timeDelta := c.varint()
	offsetDelta := c.varint()
	ms := b.firstTime + timeDelta
	if b.attributes&logAppendTimeFlag != 0 {
		ms = b.maxTime
	}
	rec := Record{Offset: b.base + offsetDelta, Time: time.UnixMilli(ms)}
	rec.Key = c.nullable()
	rec.Value = c.nullable()
	n := c.varint()
	if c.err != nil {
		return Record{}, c.err
	}
	if offsetDelta < 0 || rec.Offset > b.last {
		return Record{}, fmt.Errorf("record at offset delta %d, outside its batch", offsetDelta)
	}
	if n < 0 || n > int64(len(c.buf)/2) {
		return Record{}, fmt.Errorf("record at offset %d with %d headers", rec.Offset, n)
	}
	if n > 0 {
		rec.Headers = d.takeHeaders(int(n))
		for i := range rec.Headers {
			rec.Headers[i] = Header{Key: d.name(c.take(c.varint())), Value: c.nullable()}
		}
	}
	return rec, c.err
}

// takeHeaders returns n headers that nobody else has.
func (d *decoder) takeHeaders(n int) []Header {
	if n > len(d.headers) {
		d.headers = make([]Header, max(n, 512))
	}
	h := d.headers[:n:n]
	d.headers = d.headers[n:]
	return h
}

func (d *decoder) name(b []byte) string {
	if s, ok := d.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if d.names == nil {
		d.names = map[string]string{}
	}
	if len(d.names) < 256 {
		d.names[s] = s
	}
	return s
}

// abortMarker reports whether a control batch ends its producer's transaction by aborting it. The control record's key is
// a version and a type, 0 for abort and 1 for commit (KIP-98).
func abortMarker(b rawBatch) bool {
	var d decoder
	recs, err := d.appendRecords(nil, b, "", 0, 0)
	return err == nil && len(recs) > 0 && len(recs[0].Key) >= 4 && binary.BigEndian.Uint16(recs[0].Key[2:]) == 0
}

// cursor reads from a slice; after the first error everything is zero.
type cursor struct {
	buf []byte
	err error
}

func (c *cursor) take(n int64) []byte {
	if c.err != nil {
		return nil
	}
	if n < 0 || n > int64(len(c.buf)) {
		c.err = errShort
		return nil
	}
	b := c.buf[:n:n]
	c.buf = c.buf[n:]
	return b
}

func (c *cursor) varint() int64 {
	if c.err != nil {
		return 0
	}
	v, n := binary.Varint(c.buf)
	if n <= 0 {
		c.err = errShort
		return 0
	}
	c.buf = c.buf[n:]
	return v
}

// nullable reads bytes with a varint length in front; -1 is null.
func (c *cursor) nullable() []byte {
	n := c.varint()
	if n == -1 {
		return nil
	}
	return c.take(n)
}

// uvarint reads an unsigned varint.
func (c *cursor) uvarint() uint64 {
	if c.err != nil {
		return 0
	}
	v, n := binary.Uvarint(c.buf)
	if n <= 0 {
		c.err = errShort
		return 0
	}
	c.buf = c.buf[n:]
	return v
}

// compact reads a string of the flexible versions, whose length is one too large; null is "".
func (c *cursor) compact() string {
	n := c.uvarint()
	if n == 0 {
		return ""
	}
	return string(c.take(int64(min(n, 1<<31)) - 1))
}

// compactCount reads an array's length as the flexible versions write it, and checks it as count does.
func (c *cursor) compactCount(each int) int {
	n := c.uvarint()
	if n == 0 {
		return 0 // null
	}
	if n-1 > uint64(len(c.buf)/each) {
		c.err = errShort
		return 0
	}
	return int(n - 1)
}

// tags passes over tagged fields.
func (c *cursor) tags() {
	for range c.compactTags() {
		c.uvarint()
		c.take(int64(min(c.uvarint(), 1<<31)))
	}
}

// compactTags reads how many tagged fields there are; unlike other lengths it is as it is.
func (c *cursor) compactTags() int {
	n := c.uvarint()
	if n > uint64(len(c.buf)/2) {
		c.err = errShort
		return 0
	}
	return int(n)
}

func (c *cursor) int16() int16 { return int16(be(c.take(2), 2)) }
func (c *cursor) int32() int32 { return int32(be(c.take(4), 4)) }
func (c *cursor) int64() int64 { return int64(be(c.take(8), 8)) }

// be reads a big-endian number; 0 from a slice that is too short.
func be(b []byte, n int) (v uint64) {
	if len(b) < n {
		return 0
	}
	for _, x := range b {
		v = v<<8 | uint64(x)
	}
	return v
}

// string reads a string with an int16 length in front.
func (c *cursor) string() string { return string(c.take(int64(c.int16()))) }

// count reads an array's length and checks it against what is left, at least each bytes an element.
func (c *cursor) count(each int) int {
	n := int(c.int32())
	if n < 0 {
		return 0 // null
	}
	if n > len(c.buf)/each {
		c.err = errShort
		return 0
	}
	return n
}
