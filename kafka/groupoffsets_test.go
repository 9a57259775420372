package kafka_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kmsg"

	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
)

// OffsetFetch version 7 is laid out here; franz-go reads and writes the same.
func TestOffsetFetch_BytesAreThoseOfFranzGo(t *testing.T) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.Group, req.RequireStable = 7, "group", true
	req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "in", Partitions: []int32{0, 3}}, {Topic: "retry", Partitions: []int32{3}}}
	tps := []kafka.TopicPartition{{Topic: "in", Partition: 0}, {Topic: "retry", Partition: 3}, {Topic: "in", Partition: 3}}
	got := kafka.OffsetFetchBody("me", "group", tps, true)
	if want := req.AppendTo(nil); string(got) != string(want) {
		t.Errorf("request\n%x, want\n%x", got, want)
	}
	res := kmsg.NewPtrOffsetFetchResponse()
	res.Version = 7
	topic := kmsg.NewOffsetFetchResponseTopic()
	topic.Topic = "in"
	for i := range int32(3) {
		p := kmsg.NewOffsetFetchResponseTopicPartition()
		p.Partition, p.Offset, p.Metadata = i, int64(i)*100, kmsg.StringPtr(fmt.Sprint("note ", i))
		if i == 1 {
			p.Offset, p.Metadata = -1, nil
		}
		topic.Partitions = append(topic.Partitions, p)
	}
	res.Topics = append(res.Topics, topic)
	data := append([]byte{0}, res.AppendTo(nil)...)
	found, err := kafka.ParseOffsetFetch(data)
	if err != nil || len(found) != 2 || found[0].Note != "note 0" || found[1].Offset != 200 || found[1].Note != "note 2" {
		t.Errorf("response %+v, %v", found, err)
	}
	for n := range data {
		if _, err := kafka.ParseOffsetFetch(data[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were taken for a response", n, len(data))
		}
	}
}

func TestGroupOffsets_UnknownGroup_HasNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := world(t, 2)
		offsets, err := c.GroupOffsets(t.Context(), "nobody", "in")
		if err != nil || len(offsets) != 2 || offsets[0] != -1 || offsets[1] != -1 {
			t.Errorf("offsets %v, %v", offsets, err)
		}
		if _, err := c.GroupOffsets(t.Context(), "g", "none"); !kafka.IsUnknownTopic(err) {
			t.Errorf("unknown topic: %v", err)
		}
	})
}

// C41, the part of Kafka: what a member commits that is no longer one is refused, records and offsets.
func TestC41_CommitOffsets_StaleMember_CommitsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 1)
		g, err := c.JoinGroup(t.Context(), kafka.GroupConfig{Group: "g", Topic: "in"})
		if err != nil {
			t.Fatal(err)
		}
		gen, err := g.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		offsets := []kafka.GroupOffset{{TopicPartition: kafka.TopicPartition{Topic: "in"}, Offset: 7}}
		for name, stale := range map[string]kafka.GroupCommit{
			"generation": {Group: "g", Generation: gen.ID - 1, Member: gen.MemberID, Offsets: offsets},
			"member":     {Group: "g", Generation: gen.ID, Member: "sfbridge-of-yesterday", Offsets: offsets},
		} {
			p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
			if err := p.CommitOffsets(t.Context(), numbered("out", 0, 3), stale); !errors.Is(err, kafka.ErrLost) {
				t.Errorf("old %s: %v", name, err)
			}
		}
		p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
		if n := len(cluster.ReadCommitted(t, "out")); n != 0 || groupOffset(t, c, "in", 0) != -1 {
			t.Errorf("%d records, offset %d", n, groupOffset(t, c, "in", 0))
		}
		if err := p.CommitOffsets(t.Context(), numbered("out", 0, 3), kafka.GroupCommit{Group: "g", Generation: gen.ID, Member: gen.MemberID, Offsets: offsets}); err != nil {
			t.Error(err)
		}
		if n := len(cluster.ReadCommitted(t, "out")); n != 3 || groupOffset(t, c, "in", 0) != 7 {
			t.Errorf("%d records, offset %d", n, groupOffset(t, c, "in", 0))
		}
	})
}

func TestGrowTopic_AddsWhatIsMissing(t *testing.T) {
	c := newClient(t, kafkatest.Fake(t))
	ensureTopic(t, c, "t", 2, nil)
	for _, n := range []int32{4, 4, 1} {
		if err := c.GrowTopic(t.Context(), "t", n); err != nil {
			t.Fatal(err)
		}
		if have, err := c.Partitions(t.Context(), "t"); have != 4 || err != nil {
			t.Errorf("%d partitions, %v, want 4", have, err)
		}
	}
}

func TestReadRange_CommittedRecordsBetween(t *testing.T) {
	cluster, c := world(t, 1)
	produce(t, cluster, "in", 0, 0, 10)
	read := func(from, to int64) ([]string, error) {
		var got []string
		err := c.ReadRange(t.Context(), "in", 0, from, to, func(r kafka.Record) error {
			got = append(got, string(r.Value))
			return nil
		})
		return got, err
	}
	for _, tc := range []struct {
		from, to int64
		want     string
	}{{0, 2, "[v0 v1]"}, {4, 5, "[v4]"}, {8, 100, "[v8 v9]"}, {5, 5, "[]"}} {
		if got, err := read(tc.from, tc.to); fmt.Sprint(got) != tc.want || err != nil {
			t.Errorf("%d to %d: %v, %v, want %s", tc.from, tc.to, got, err, tc.want)
		}
	}
	deleteRecords(t, cluster, "in", 5)
	if _, err := read(3, 8); !errors.As(err, new(*kafka.OffsetError)) {
		t.Errorf("deleted range: %v", err)
	}
}
