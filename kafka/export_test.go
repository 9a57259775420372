package kafka

import (
	"context"

	"github.com/segmentio/kafka-go/compress"
)

// Inner parts that tests look at by themselves.

// AssignShares runs the balancer: who had what, and how many partitions there are.
func AssignShares(owned map[string][]int32, n int32) map[string][]int32 {
	var members []claimant
	for id, ps := range owned {
		members = append(members, claimant{id, ps})
	}
	return assign(members, n)
}

// EncodeBatch makes one signed batch.
func EncodeBatch(recs []Record, codec int8, producerID int64, epoch int16, sequence int32, transactional bool) ([]byte, error) {
	var b batchBuilder
	for i := range recs {
		b.add(&recs[i], recs[i].Time.UnixMilli())
	}
	sealed, err := b.seal(&packer{codec: compress.Compression(codec)}, nil)
	if err != nil {
		return nil, err
	}
	sealed.sign(producerID, epoch, sequence, transactional)
	return sealed.buf, nil
}

// PredictSize is the plain size that the builder foretells for a batch of recs, before it is made.
func PredictSize(recs []Record) int {
	var b batchBuilder
	size := 0
	for i := range recs {
		size = b.sizeWith(&recs[i], recs[i].Time.UnixMilli())
		b.add(&recs[i], recs[i].Time.UnixMilli())
	}
	return size
}

// DecodeBatches reads batches as a fetch response holds them.
func DecodeBatches(data []byte, from int64) (recs []Record, next int64, err error) {
	f := fetched{recordData: data}
	var d decoder
	recs, next, _, err = f.committed(&d, topicPartition{"t", 0}, from)
	return recs, next, err
}

// ParseFetch parses a fetch response.
func ParseFetch(data []byte, version int16) (recs []Record, err error) {
	f, err := parseFetch(data, version, topicPartition{"t", 0})
	if err != nil {
		return nil, err
	}
	var d decoder
	recs, _, _, err = f.committed(&d, topicPartition{"t", 0}, 0)
	return recs, err
}

// ParseGroupBytes parses what group members send each other.
func ParseGroupBytes(data []byte) {
	parseSubscription(data)
	partitionsOf(data, "t")
	allPartitions(data)
	throttledCode(data, 3)
	parseOffsetFetch(data)
}

// NextSequence numbers the batch after one of n records.
func NextSequence(sequence int32, n int) int32 { return nextSequence(sequence, n) }

// EncodeOnly does what Commit does before it sends.
func EncodeOnly(ctx context.Context, p *Producer, recs []Record) error {
	pl, err := p.encode(ctx, recs, 0)
	if err != nil {
		return err
	}
	pl.sign()
	pl.release()
	return nil
}

// OffsetFetchBody is a request of version 7 without its header.
func OffsetFetchBody(clientID, group string, tps []TopicPartition, stable bool) []byte {
	data := appendOffsetFetch(nil, clientID, 1, offsetFetchRequest(group, tps), stable)
	return data[4+8+2+len(clientID)+1:]
}

// ParseOffsetFetch reads a response of version 7: what was committed.
func ParseOffsetFetch(data []byte) (found []GroupOffset, err error) {
	res, err := parseOffsetFetch(data)
	if err != nil {
		return nil, err
	}
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			if p.CommittedOffset >= 0 {
				found = append(found, GroupOffset{TopicPartition{t.Name, p.PartitionIndex}, p.CommittedOffset, p.Metadata})
			}
		}
	}
	return found, nil
}
