package kafka

import "time"

// AnyPartition in [Record.Partition] leaves the choice to the key.
const AnyPartition int32 = -1

// Header is one header of a record. A nil Value is the protocol's null.
type Header struct {
	Key   string
	Value []byte
}

// Record is one record of a topic, to be written or as it was read.
type Record struct {
	Topic string
	// Partition to write to. AnyPartition picks it by the key's murmur2 hash, as the Java client does; records without
	// a key then share one partition per commit, a different one each time.
	Partition int32
	// Offset is set on records that were read, and ignored on those to be written.
	Offset int64
	// Key and Value are nil when null: a nil Value on a compacted topic is a tombstone.
	Key, Value []byte
	Headers    []Header
	// Time is the record's timestamp, kept in whole milliseconds. The zero time stands for now when written.
	Time time.Time
}
