package kafka_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sfbridge/kafka"
)

// randomRecords makes records of every shape.
func randomRecords(rng *rand.Rand, n int) []kafka.Record {
	blob := func(limit int) []byte {
		switch k := rng.IntN(limit + 2); k {
		case 0:
			return nil
		case 1:
			return []byte{}
		default:
			b := make([]byte, k-1)
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			return b
		}
	}
	recs := make([]kafka.Record, n)
	for i := range recs {
		recs[i] = kafka.Record{Key: blob(40), Value: blob(400), Time: time.UnixMilli(1_700_000_000_000 + rng.Int64N(1e9) - 5e8)}
		for range rng.IntN(4) {
			recs[i].Headers = append(recs[i].Headers, kafka.Header{Key: fmt.Sprintf("h%d", rng.IntN(300)), Value: blob(20)})
		}
	}
	return recs
}

func TestBatch_RandomRecords_RoundTripAndReadByFranzGo(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		want := randomRecords(rng, 1+rng.IntN(50))
		codec := int8(rng.IntN(5))
		data, err := kafka.EncodeBatch(want, codec, 7, 3, 11, true)
		if err != nil {
			t.Fatal(err)
		}
		got, next, err := kafka.DecodeBatches(data, 0)
		if err != nil || len(got) != len(want) || next != int64(len(want)) {
			t.Fatalf("seed %d codec %d: %d of %d records, next %d, %v", seed, codec, len(got), len(want), next, err)
		}
		for i, w := range want {
			g := got[i]
			if !sameBytes(g.Key, w.Key) || !sameBytes(g.Value, w.Value) || !g.Time.Equal(w.Time) || g.Offset != int64(i) || len(g.Headers) != len(w.Headers) {
				t.Fatalf("seed %d record %d: got %+v, want %+v", seed, i, g, w)
			}
			for j := range w.Headers {
				if g.Headers[j].Key != w.Headers[j].Key || !sameBytes(g.Headers[j].Value, w.Headers[j].Value) {
					t.Fatalf("seed %d record %d header %d: got %+v, want %+v", seed, i, j, g.Headers[j], w.Headers[j])
				}
			}
		}
		var theirs kmsg.RecordBatch
		if err := theirs.ReadFrom(data); err != nil {
			t.Fatalf("seed %d: franz-go: %v", seed, err)
		}
		if theirs.ProducerID != 7 || theirs.ProducerEpoch != 3 || theirs.FirstSequence != 11 || theirs.Attributes&0x10 == 0 ||
			theirs.NumRecords != int32(len(want)) || uint32(theirs.CRC) != crc32.Checksum(data[21:], crc32.MakeTable(crc32.Castagnoli)) {
			t.Fatalf("seed %d: header %+v", seed, theirs)
		}
		recs, err := kfake.BatchRecords(theirs)
		if err != nil || len(recs) != len(want) {
			t.Fatalf("seed %d: franz-go reads %d records, %v", seed, len(recs), err)
		}
		for i, r := range recs {
			if !bytes.Equal(r.Value, want[i].Value) || theirs.FirstTimestamp+r.TimestampDelta64 != want[i].Time.UnixMilli() {
				t.Fatalf("seed %d record %d: franz-go reads %+v", seed, i, r)
			}
		}
	}
}

func TestBatch_SizeForetold_IsTheSizeMade(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 2))
		recs := randomRecords(rng, 1+rng.IntN(80))
		data, err := kafka.EncodeBatch(recs, 0, -1, -1, -1, false)
		if err != nil {
			t.Fatal(err)
		}
		if n := kafka.PredictSize(recs); n != len(data) {
			t.Fatalf("seed %d: foretold %d bytes, made %d", seed, n, len(data))
		}
	}
}

func TestSequence_WrapsToZeroAfterTheLargest(t *testing.T) {
	for _, tc := range []struct {
		sequence int32
		n        int
		want     int32
	}{{0, 5, 5}, {math.MaxInt32, 1, 0}, {math.MaxInt32 - 2, 5, 2}, {math.MaxInt32 - 1, 1, math.MaxInt32}} {
		if got := kafka.NextSequence(tc.sequence, tc.n); got != tc.want {
			t.Errorf("%d records after %d: %d, want %d", tc.n, tc.sequence, got, tc.want)
		}
	}
}

func TestDecode_BatchBegunBeforeThePosition_GivesTheRest(t *testing.T) {
	data := mustEncode(t, numbered("t", 0, 10), 3)
	recs, next, err := kafka.DecodeBatches(data, 6)
	if err != nil || len(recs) != 4 || recs[0].Offset != 6 || next != 10 {
		t.Errorf("%d records, next %d, %v", len(recs), next, err)
	}
}

func TestDecode_EmptiedBatch_MovesTheEndOn(t *testing.T) {
	data := mustEncode(t, numbered("t", 0, 10), 0)[:61] // compaction keeps the header of a producer's last batch
	binary.BigEndian.PutUint32(data[8:], 61-12)
	binary.BigEndian.PutUint32(data[57:], 0)
	resign(data)
	recs, next, err := kafka.DecodeBatches(data, 3)
	if err != nil || len(recs) != 0 || next != 10 {
		t.Errorf("%d records, next %d, %v, want none and 10", len(recs), next, err)
	}
}

func TestDecode_BadBatches_AreErrors(t *testing.T) {
	whole := mustEncode(t, numbered("t", 0, 10), 0)
	for name, spoil := range map[string]func([]byte) []byte{
		"cut short":       func(b []byte) []byte { return b[:len(b)-1] },
		"checksum":        func(b []byte) []byte { b[70] ^= 1; return b },
		"old format":      func(b []byte) []byte { b[16] = 1; return b },
		"negative length": func(b []byte) []byte { b[8] = 0xff; return b },
		"too many records": func(b []byte) []byte {
			binary.BigEndian.PutUint32(b[23:], 1<<30)
			binary.BigEndian.PutUint32(b[57:], 1<<30)
			return resign(b)
		},
		"unknown codec": func(b []byte) []byte { b[22] |= 7; return resign(b) },
		"not packed":    func(b []byte) []byte { b[22] |= 4; return resign(b) },
		"more records than offsets": func(b []byte) []byte {
			binary.BigEndian.PutUint32(b[23:], 3)
			return resign(b)
		},
	} {
		if recs, next, err := kafka.DecodeBatches(spoil(bytes.Clone(whole)), 0); err == nil {
			t.Errorf("%s: read %d records up to %d without an error", name, len(recs), next)
		}
	}
	if recs, next, err := kafka.DecodeBatches(append(bytes.Clone(whole), whole[:100]...), 0); err != nil || len(recs) != 10 || next != 10 {
		t.Errorf("a batch cut off behind a whole one: %d records, next %d, %v", len(recs), next, err)
	}
}

func mustEncode(t testing.TB, recs []kafka.Record, codec int8) []byte {
	t.Helper()
	data, err := kafka.EncodeBatch(recs, codec, 1, 0, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// resign makes the checksum fit again.
func resign(b []byte) []byte {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// FuzzDecode feeds what a broker might send. The checksum is made to fit, or the fuzzer would never get past it.
func FuzzDecode(f *testing.F) {
	for codec := range int8(5) {
		recs := numbered("t", 0, 30)
		recs[3].Headers = []kafka.Header{{Key: "h", Value: []byte("v")}}
		f.Add(mustEncode(f, recs, codec), int64(4))
	}
	f.Add(mustEncode(f, numbered("t", 0, 1), 0)[:61], int64(0))
	f.Fuzz(func(t *testing.T, data []byte, from int64) {
		if from < 0 {
			return
		}
		if len(data) > 61 {
			n := int(binary.BigEndian.Uint32(data[8:])) + 12
			if n > 61 && n <= len(data) {
				resign(data[:n])
			}
		}
		recs, next, _ := kafka.DecodeBatches(data, from)
		for _, r := range recs {
			if r.Offset < from || next <= r.Offset && next != from {
				t.Fatalf("record at offset %d, asked from %d, next %d", r.Offset, from, next)
			}
		}
	})
}

// FuzzFetchResponse parses whole responses.
func FuzzFetchResponse(f *testing.F) {
	batch := mustEncode(f, numbered("t", 0, 3), 0)
	for _, version := range []int16{4, 5, 7, 11} {
		f.Add(fetchResponse(version, batch), version)
	}
	f.Fuzz(func(t *testing.T, data []byte, version int16) {
		if version < 4 || version > 11 {
			return
		}
		kafka.ParseFetch(data, version)
	})
}

func fetchResponse(version int16, batch []byte) []byte {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = version
	topic, part, aborted := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition(), kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
	aborted.ProducerID, aborted.FirstOffset = 5, 0
	part.HighWatermark, part.LastStableOffset, part.RecordBatches = 3, 3, batch
	part.AbortedTransactions = append(part.AbortedTransactions, aborted)
	topic.Topic, topic.Partitions = "t", append(topic.Partitions, part)
	resp.Topics = append(resp.Topics, topic)
	return resp.AppendTo(nil)
}

func TestFetchResponse_EachVersion_IsRead(t *testing.T) {
	batch := mustEncode(t, numbered("t", 0, 3), 0)
	for version := int16(4); version <= 11; version++ {
		recs, err := kafka.ParseFetch(fetchResponse(version, batch), version)
		if err != nil || len(recs) != 3 {
			t.Errorf("version %d: %d records, %v", version, len(recs), err)
		}
	}
}

// FuzzGroupBytes parses what other members of a group write.
func FuzzGroupBytes(f *testing.F) {
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Version, meta.Topics, meta.UserData = 1, []string{"t"}, []byte("u")
	f.Add(meta.AppendTo(nil))
	f.Add([]byte{0, 1, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2})
	res := kmsg.NewPtrOffsetFetchResponse()
	res.Version = 7
	part := kmsg.NewOffsetFetchResponseTopicPartition()
	part.Metadata = kmsg.StringPtr("note")
	res.Topics = []kmsg.OffsetFetchResponseTopic{{Topic: "t", Partitions: []kmsg.OffsetFetchResponseTopicPartition{part}}}
	f.Add(append([]byte{0}, res.AppendTo(nil)...))
	f.Fuzz(func(t *testing.T, data []byte) { kafka.ParseGroupBytes(data) })
}

// FuzzBatchRoundTrip encodes and reads back.
func FuzzBatchRoundTrip(f *testing.F) {
	f.Add([]byte("key"), []byte("value"), "header", int64(1_700_000_000_000), int8(3))
	f.Fuzz(func(t *testing.T, key, value []byte, header string, ms int64, codec int8) {
		if codec < 0 || codec > 4 || ms < 0 || ms > 1<<50 {
			return
		}
		rec := kafka.Record{Key: key, Value: value, Time: time.UnixMilli(ms), Headers: []kafka.Header{{Key: header, Value: key}}}
		recs, _, err := kafka.DecodeBatches(mustEncode(t, []kafka.Record{rec, rec}, codec), 0)
		if err != nil || len(recs) != 2 || !bytes.Equal(recs[1].Key, key) || !bytes.Equal(recs[1].Value, value) ||
			recs[1].Headers[0].Key != header || recs[1].Time.UnixMilli() != ms {
			t.Fatalf("%+v, %v", recs, err)
		}
	})
}
