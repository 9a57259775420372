package sandbox

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ReadBack reads all of the topics whose names start with prefix, committed
// records only, up to the ends that they have now. It uses a Kafka client that
// shares no code with the one that wrote them.
func ReadBack(ctx context.Context, broker, prefix string, dial func(context.Context, string, string) (net.Conn, error)) ([]*kgo.Record, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(broker), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords()}
	if dial != nil {
		opts = append(opts, kgo.Dialer(dial))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("read back %s*: %w", prefix, err)
	}
	defer client.Close()
	ends, err := committedEnds(ctx, client, prefix)
	if err != nil {
		return nil, fmt.Errorf("read back %s*: %w", prefix, err)
	}
	return readTo(ctx, client, ends)
}

type partition struct {
	topic string
	id    int32
}

// committedEnds gives the last stable offsets of partitions that hold anything.
func committedEnds(ctx context.Context, client *kgo.Client, prefix string) (map[partition]int64, error) {
	admin := kadm.NewClient(client)
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range topics.Names() {
		if strings.HasPrefix(t, prefix) {
			names = append(names, t)
		}
	}
	ends := make(map[partition]int64)
	if len(names) == 0 {
		return ends, nil
	}
	starts, err := admin.ListStartOffsets(ctx, names...)
	if err != nil {
		return nil, err
	}
	stable, err := admin.ListCommittedOffsets(ctx, names...)
	if err != nil {
		return nil, err
	}
	if err := stable.Error(); err != nil {
		return nil, err
	}
	stable.Each(func(o kadm.ListedOffset) {
		if s, ok := starts.Lookup(o.Topic, o.Partition); ok && o.Offset > s.Offset {
			ends[partition{o.Topic, o.Partition}] = o.Offset
		}
	})
	return ends, nil
}

// readTo consumes until every partition is read to its end. Control records
// are kept while reading, since the last offset of a partition can be one.
func readTo(ctx context.Context, client *kgo.Client, ends map[partition]int64) ([]*kgo.Record, error) {
	for p := range ends {
		client.AddConsumePartitions(map[string]map[int32]kgo.Offset{p.topic: {p.id: kgo.NewOffset().AtStart()}})
	}
	var out []*kgo.Record
	for len(ends) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, fmt.Errorf("%d partitions not read to their ends: %w", len(ends), err)
		}
		var broken error
		fetches.EachError(func(t string, p int32, err error) { broken = fmt.Errorf("fetch %s/%d: %w", t, p, err) })
		if broken != nil {
			return nil, broken
		}
		fetches.EachRecord(func(r *kgo.Record) {
			p := partition{r.Topic, r.Partition}
			if end, open := ends[p]; open && r.Offset+1 >= end {
				delete(ends, p)
			}
			if !r.Attrs.IsControl() {
				out = append(out, r)
			}
		})
	}
	return out, nil
}
