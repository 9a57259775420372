package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/offsetcommit"
	"github.com/segmentio/kafka-go/protocol/offsetfetch"
)

// GroupOffset is an offset that a group commits for a partition: that of the first record it has not dealt with.
type GroupOffset struct {
	TopicPartition
	Offset int64
	Note   string // metadata, kept by the coordinator along with the offset; at most 4,096 bytes by default
}

// GroupCommit is offsets on behalf of one member of a group in one generation.
type GroupCommit struct {
	Group      string
	Generation int32
	Member     string
	Offsets    []GroupOffset
}

// stableFetchVersion is OffsetFetch's first version that can ask for decided offsets only (KIP-447, Kafka 2.5). kafka-go
// stops at version 5, so request and response of this one are written and read here.
const stableFetchVersion = 7

// maxOffsetsResponse bounds an OffsetFetch response: the notes of a few thousand partitions.
const maxOffsetsResponse = 64 << 20

// GroupOffsets returns what a group has committed for each partition of a topic, -1 where there is nothing. The caller need
// not be a member.
func (c *Client) GroupOffsets(ctx context.Context, group, topic string) (map[int32]int64, error) {
	info, err := c.topicSoon(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("offsets of group %s: %w", group, err)
	}
	n := len(info.leaders)
	tps := make([]TopicPartition, n)
	for i := range tps {
		tps[i] = TopicPartition{topic, int32(i)}
	}
	found, err := c.groupOffsets(ctx, group, tps, false)
	if err != nil {
		return nil, err
	}
	offsets := make(map[int32]int64, n)
	for _, tp := range tps {
		offsets[tp.Partition] = found[tp].Offset
	}
	return offsets, nil
}

// groupOffsets returns a group's committed offsets, -1 for none, waiting for a coordinator that moves or loads until ctx
// ends. With stable it also waits for transactions in which an offset is pending, so that the answer is final.
func (c *Client) groupOffsets(ctx context.Context, group string, tps []TopicPartition, stable bool) (map[TopicPartition]GroupOffset, error) {
	slow, busy := newWaiter(20*time.Millisecond, time.Second), newWaiter(time.Millisecond, 50*time.Millisecond)
	for {
		found, err := c.fetchGroupOffsets(ctx, group, tps, stable)
		if err == nil {
			return found, nil
		}
		code, _ := codeOf(err)
		if code != kafkago.UnstableOffsetCommit && !Retryable(err) {
			return nil, fmt.Errorf("offsets of group %s: %w", group, c.groupErr(err))
		}
		c.metrics.retries.WithLabelValues(reason(err)).Inc()
		wait := slow
		if code == kafkago.UnstableOffsetCommit {
			wait = busy // the markers of a transaction are being written
		}
		c.log.Log(ctx, wait.level(), "committed offsets not available, asking again", "group", group, "err", err)
		if wait.wait(ctx) != nil {
			return nil, fmt.Errorf("offsets of group %s: %w", group, join(ctx.Err(), err))
		}
	}
}

// groupErr adds the remedy to a refusal.
func (c *Client) groupErr(err error) error {
	if code, _ := codeOf(err); code == kafkago.GroupAuthorizationFailed {
		return &Error{Op: "ask coordinator", Err: err, Hint: "allow Read on the group"}
	}
	return err
}

// fetchGroupOffsets asks once.
func (c *Client) fetchGroupOffsets(ctx context.Context, group string, tps []TopicPartition, stable bool) (map[TopicPartition]GroupOffset, error) {
	key := coordinatorKey{group, groupCoordinator}
	addr, err := c.coordinator(ctx, key)
	if err != nil {
		return nil, err
	}
	var res *offsetfetch.Response
	err = c.onConn(ctx, addr, requestTimeout, func(cn *conn) (err error) {
		if cn.stableOffsets {
			res, err = cn.fetchStableOffsets(group, tps, stable)
			return err
		}
		if stable {
			return errOldBroker
		}
		m, err := cn.roundTrip(offsetFetchRequest(group, tps))
		if err == nil {
			res = m.(*offsetfetch.Response)
		}
		return err
	})
	if err == nil {
		err = brokerError(res.ErrorCode)
	}
	switch code, ok := codeOf(err); {
	case err == nil:
	case code == kafkago.GroupIdNotFound: // nothing was ever committed
		res = &offsetfetch.Response{}
	default:
		if !ok || movedCode(code) {
			c.forgetCoordinator(key)
		}
		return nil, err
	}
	return readGroupOffsets(res, tps)
}

// readGroupOffsets looks the partitions up in a response.
func readGroupOffsets(res *offsetfetch.Response, tps []TopicPartition) (map[TopicPartition]GroupOffset, error) {
	found := make(map[TopicPartition]GroupOffset, len(tps))
	for _, tp := range tps {
		found[tp] = GroupOffset{TopicPartition: tp, Offset: -1}
	}
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			tp := TopicPartition{t.Name, p.PartitionIndex}
			if _, asked := found[tp]; !asked {
				continue
			}
			if err := brokerError(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("topic %s partition %d: %w", tp.Topic, tp.Partition, err)
			}
			if p.CommittedOffset >= 0 {
				found[tp] = GroupOffset{tp, p.CommittedOffset, p.Metadata}
			}
		}
	}
	return found, nil
}

// byTopic groups partitions by their topic, in the order of first mention.
func byTopic[T any](all []T, topic func(T) string, add func(i int, first bool, t T)) {
	at := map[string]int{}
	for _, t := range all {
		i, ok := at[topic(t)]
		if !ok {
			i = len(at)
			at[topic(t)] = i
		}
		add(i, !ok, t)
	}
}

func topicOf(tp TopicPartition) string   { return tp.Topic }
func topicOfOffset(o GroupOffset) string { return o.Topic }

func offsetFetchRequest(group string, tps []TopicPartition) *offsetfetch.Request {
	req := &offsetfetch.Request{GroupID: group}
	byTopic(tps, topicOf, func(i int, first bool, tp TopicPartition) {
		if first {
			req.Topics = append(req.Topics, offsetfetch.RequestTopic{Name: tp.Topic})
		}
		req.Topics[i].PartitionIndexes = append(req.Topics[i].PartitionIndexes, tp.Partition)
	})
	return req
}

// fetchStableOffsets sends OffsetFetch version 7 and reads the response.
func (cn *conn) fetchStableOffsets(group string, tps []TopicPartition, stable bool) (*offsetfetch.Response, error) {
	cn.lastID++
	if _, err := cn.nc.Write(appendOffsetFetch(nil, cn.clientID, cn.lastID, offsetFetchRequest(group, tps), stable)); err != nil {
		return nil, cn.fail("send to", err)
	}
	data, err := cn.receive(maxOffsetsResponse)
	if err != nil {
		return nil, err
	}
	res, err := parseOffsetFetch(data)
	if err != nil {
		return nil, fmt.Errorf("offsets from %s: %w", cn.addr, err)
	}
	return res, nil
}

// appendOffsetFetch lays out a request of version 7: the first flexible layouts, with compact lengths and no tagged fields.
func appendOffsetFetch(dst []byte, clientID string, correlation int32, req *offsetfetch.Request, stable bool) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(protocol.OffsetFetch))
	dst = binary.BigEndian.AppendUint16(dst, stableFetchVersion)
	dst = binary.BigEndian.AppendUint32(dst, uint32(correlation))
	dst = append(appendString(dst, clientID), 0)
	dst = appendCompact(dst, req.GroupID)
	dst = binary.AppendUvarint(dst, uint64(len(req.Topics)+1))
	for _, t := range req.Topics {
		dst = appendCompact(dst, t.Name)
		dst = binary.AppendUvarint(dst, uint64(len(t.PartitionIndexes)+1))
		for _, p := range t.PartitionIndexes {
			dst = binary.BigEndian.AppendUint32(dst, uint32(p))
		}
		dst = append(dst, 0)
	}
	requireStable := byte(0)
	if stable {
		requireStable = 1
	}
	dst = append(dst, requireStable, 0)
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

func appendCompact(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s)+1)), s...)
}

// parseOffsetFetch reads a response of version 7.
func parseOffsetFetch(data []byte) (*offsetfetch.Response, error) {
	c := cursor{buf: data}
	c.tags() // of the header
	res := &offsetfetch.Response{ThrottleTimeMs: c.int32()}
	for range c.compactCount(3) {
		t := offsetfetch.ResponseTopic{Name: c.compact()}
		for range c.compactCount(19) {
			t.Partitions = append(t.Partitions, offsetfetch.ResponsePartition{
				PartitionIndex: c.int32(), CommittedOffset: c.int64(), ComittedLeaderEpoch: c.int32(),
				Metadata: c.compact(), ErrorCode: c.int16(),
			})
			c.tags()
		}
		c.tags()
		res.Topics = append(res.Topics, t)
	}
	res.ErrorCode = c.int16()
	c.tags()
	if c.err != nil {
		return nil, fmt.Errorf("offset fetch response %w", c.err)
	}
	return res, nil
}

// commitOffsets commits a group's offsets outside a transaction, trying until it is answered with something final or ctx
// ends. ErrLost says that the generation is over.
func (c *Client) commitOffsets(ctx context.Context, g GroupCommit) error {
	req := &offsetcommit.Request{GroupID: g.Group, GenerationID: g.Generation, MemberID: g.Member, RetentionTimeMs: -1}
	byTopic(g.Offsets, topicOfOffset, func(i int, first bool, o GroupOffset) {
		if first {
			req.Topics = append(req.Topics, offsetcommit.RequestTopic{Name: o.Topic})
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, offsetcommit.RequestPartition{
			PartitionIndex: o.Partition, CommittedOffset: o.Offset, CommittedLeaderEpoch: -1, CommittedMetadata: o.Note,
		})
	})
	wait := newWaiter(20*time.Millisecond, time.Second)
	for {
		_, err := c.callCoordinator(ctx, coordinatorKey{g.Group, groupCoordinator}, requestTimeout, req, offsetCommitCode)
		if err == nil {
			return nil
		}
		if !Retryable(err) {
			return fmt.Errorf("commit offsets of group %s: %w", g.Group, stale(c.groupErr(err)))
		}
		c.metrics.retries.WithLabelValues(reason(err)).Inc()
		c.log.Log(ctx, wait.level(), "group coordinator not ready, asking again", "group", g.Group, "err", err)
		if wait.wait(ctx) != nil {
			return fmt.Errorf("commit offsets of group %s: %w", g.Group, err)
		}
	}
}

func offsetCommitCode(m protocol.Message) int16 {
	for _, t := range m.(*offsetcommit.Response).Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				return p.ErrorCode
			}
		}
	}
	return 0
}

// stale makes the codes recognisable as ErrLost that a member gets whose generation is over.
func stale(err error) error {
	switch code, _ := codeOf(err); code {
	case kafkago.IllegalGeneration, kafkago.UnknownMemberId, kafkago.RebalanceInProgress, kafkago.FencedInstanceID,
		kafkago.GroupIdNotFound:
		if !errors.Is(err, ErrLost) {
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
	}
	return err
}
