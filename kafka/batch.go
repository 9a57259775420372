package kafka

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/bits"
	"time"

	"github.com/segmentio/kafka-go/compress"
)

// The record batch, magic 2 (Kafka protocol guide, "Record Batch"): a header of 61 bytes at these places, then the
// records, packed as a whole when a codec is set. The checksum covers everything from the attributes on.
const (
	batchHeaderBytes = 61

	atBaseOffset      = 0
	atLength          = 8 // of what follows it
	atLeaderEpoch     = 12
	atMagic           = 16
	atCRC             = 17
	atAttributes      = 21
	atLastOffsetDelta = 23
	atFirstTimestamp  = 27
	atMaxTimestamp    = 35
	atProducerID      = 43
	atProducerEpoch   = 51
	atBaseSequence    = 53
	atCount           = 57

	codecMask         = 0x07
	transactionalFlag = 0x10
	controlFlag       = 0x20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// minCompressBytes is the size below which packing costs more than it saves.
const minCompressBytes = 512

// batch is one record batch, encoded.
type batch struct {
	buf     []byte // 61 bytes of header and the records
	records int
}

// batchBuilder collects records of one partition until a batch is full.
type batchBuilder struct {
	buf              []byte
	records          int
	firstTime, maxMs int64
}

// varintLen is the length of v as a zigzag varint.
func varintLen(v int64) int {
	u := uint64(v<<1) ^ uint64(v>>63)
	return (bits.Len64(u|1) + 6) / 7
}

// recordSize returns the length of the body of rec inside a batch, without the length in front of it.
func recordSize(rec *Record, timeDelta int64, offsetDelta int) int {
	n := 1 + varintLen(timeDelta) + varintLen(int64(offsetDelta)) + nullableLen(rec.Key) + nullableLen(rec.Value) +
		varintLen(int64(len(rec.Headers)))
	for i := range rec.Headers {
		h := &rec.Headers[i]
		n += varintLen(int64(len(h.Key))) + len(h.Key) + nullableLen(h.Value)
	}
	return n
}

func nullableLen(b []byte) int {
	if b == nil {
		return 1
	}
	return varintLen(int64(len(b))) + len(b)
}

func appendNullable(dst, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(b))), b...)
}

// sizeWith returns how large the batch would be, unpacked, with rec added.
func (b *batchBuilder) sizeWith(rec *Record, ms int64) int {
	size, delta := len(b.buf), ms-b.firstTime
	if b.records == 0 {
		size, delta = batchHeaderBytes, 0
	}
	n := recordSize(rec, delta, b.records)
	return size + varintLen(int64(n)) + n
}

// add appends rec.
func (b *batchBuilder) add(rec *Record, ms int64) {
	if b.records == 0 {
		if cap(b.buf) < batchHeaderBytes {
			b.buf = make([]byte, batchHeaderBytes, 4<<10)
		}
		b.buf = b.buf[:batchHeaderBytes]
		b.firstTime, b.maxMs = ms, ms
	}
	delta := ms - b.firstTime
	b.maxMs = max(b.maxMs, ms)
	buf := binary.AppendVarint(b.buf, int64(recordSize(rec, delta, b.records)))
	buf = append(buf, 0) // attributes of a record: none are defined
	buf = binary.AppendVarint(buf, delta)
	buf = binary.AppendVarint(buf, int64(b.records))
	buf = appendNullable(buf, rec.Key)
	buf = appendNullable(buf, rec.Value)
	buf = binary.AppendVarint(buf, int64(len(rec.Headers)))
	for i := range rec.Headers {
		h := &rec.Headers[i]
		buf = binary.AppendVarint(buf, int64(len(h.Key)))
		buf = append(buf, h.Key...)
		buf = appendNullable(buf, h.Value)
	}
	b.buf = buf
	b.records++
}

// seal returns the batch with everything in its header but the producer's fields and the checksum, which [batch.sign] adds.
// The builder is empty afterwards and its buffer belongs to the batch, unless packing made a new one out of spare.
func (b *batchBuilder) seal(pack *packer, spare []byte) (batch, error) {
	out, codec := b.buf, pack.codec
	if codec != compress.None && len(b.buf) >= minCompressBytes {
		if cap(spare) < batchHeaderBytes {
			spare = make([]byte, batchHeaderBytes, batchHeaderBytes+len(b.buf)/2)
		}
		packed, err := pack.append(spare[:batchHeaderBytes], b.buf[batchHeaderBytes:])
		if err != nil {
			return batch{}, err
		}
		if len(packed) < len(b.buf) {
			out = packed
		} else {
			codec = compress.None
		}
	} else {
		codec = compress.None
	}
	binary.BigEndian.PutUint64(out[atBaseOffset:], 0)
	binary.BigEndian.PutUint32(out[atLength:], uint32(len(out)-atLeaderEpoch))
	binary.BigEndian.PutUint32(out[atLeaderEpoch:], math.MaxUint32) // -1: the broker fills it in
	out[atMagic] = 2
	binary.BigEndian.PutUint16(out[atAttributes:], uint16(codec))
	binary.BigEndian.PutUint32(out[atLastOffsetDelta:], uint32(b.records-1))
	binary.BigEndian.PutUint64(out[atFirstTimestamp:], uint64(b.firstTime))
	binary.BigEndian.PutUint64(out[atMaxTimestamp:], uint64(b.maxMs))
	binary.BigEndian.PutUint32(out[atCount:], uint32(b.records))
	sealed := batch{buf: out, records: b.records}
	if &out[0] == &b.buf[0] {
		b.buf = nil
	}
	b.records = 0
	return sealed, nil
}

// sign writes who sends the batch, and the checksum. id -1 stands for a producer without idempotence.
func (b *batch) sign(id int64, epoch int16, sequence int32, transactional bool) {
	if transactional {
		b.buf[atAttributes+1] |= transactionalFlag
	}
	binary.BigEndian.PutUint64(b.buf[atProducerID:], uint64(id))
	binary.BigEndian.PutUint16(b.buf[atProducerEpoch:], uint16(epoch))
	binary.BigEndian.PutUint32(b.buf[atBaseSequence:], uint32(sequence))
	binary.BigEndian.PutUint32(b.buf[atCRC:], crc32.Checksum(b.buf[atAttributes:], castagnoli))
}

// nextSequence adds n to a sequence number, which wraps to 0 after the largest int32.
func nextSequence(sequence int32, n int) int32 {
	return int32((int64(sequence) + int64(n)) & math.MaxInt32)
}

// millis is a record's timestamp.
func millis(t time.Time, now int64) int64 {
	if t.IsZero() {
		return now
	}
	return t.UnixMilli()
}
