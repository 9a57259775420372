package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/findcoordinator"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// metadataAge is how old a topic's layout may be before it is asked for again without a reason; the Java client's
// metadata.max.age.ms has the same default.
const metadataAge = 5 * time.Minute

// cluster is what a client knows of who is in charge of what. It is asked for when first needed and again when a broker
// says that it has moved.
type cluster struct {
	mu           sync.Mutex // guards all
	brokers      map[int32]string
	controller   int32
	topics       map[string]*topicInfo
	coordinators map[coordinatorKey]string
}

type coordinatorKey struct {
	name string
	kind int8 // 0 group, 1 transaction (KIP-98)
}

const (
	groupCoordinator       = int8(0)
	transactionCoordinator = int8(1)
)

// topicInfo is the layout of a topic. It is never changed once shared.
type topicInfo struct {
	name    string
	leaders []int32 // by partition; -1 while there is none
	numbers []int   // 0..n-1, as kafka-go's balancer wants them
	asked   time.Time
}

func newCluster() *cluster {
	return &cluster{brokers: map[int32]string{}, topics: map[string]*topicInfo{}, coordinators: map[coordinatorKey]string{}}
}

// broker returns the address of a broker.
func (cl *cluster) broker(id int32) (string, bool) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	addr, ok := cl.brokers[id]
	return addr, ok
}

// anyAddrs lists the brokers in random order, the known ones before those of the configuration, each address once.
func (cl *cluster) anyAddrs(seeds []string) []string {
	cl.mu.Lock()
	known := slices.Collect(maps.Values(cl.brokers))
	cl.mu.Unlock()
	seeds = slices.Clone(seeds)
	for _, addrs := range [][]string{known, seeds} {
		rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	}
	all := make([]string, 0, len(known)+len(seeds))
	for _, addr := range append(known, seeds...) {
		if !slices.Contains(all, addr) {
			all = append(all, addr)
		}
	}
	return all
}

// take stores what a metadata response tells.
func (cl *cluster) take(res *metadata.Response) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.controller = res.ControllerID
	clear(cl.brokers)
	for _, b := range res.Brokers {
		cl.brokers[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	now := time.Now()
	for _, t := range res.Topics {
		if t.ErrorCode != 0 {
			delete(cl.topics, t.Name)
			continue
		}
		info := &topicInfo{name: t.Name, asked: now, leaders: make([]int32, len(t.Partitions)), numbers: make([]int, len(t.Partitions))}
		for i := range info.numbers {
			info.numbers[i], info.leaders[i] = i, -1
		}
		for _, p := range t.Partitions {
			if int(p.PartitionIndex) < len(info.leaders) && p.PartitionIndex >= 0 && p.LeaderID >= 0 {
				info.leaders[p.PartitionIndex] = p.LeaderID
			}
		}
		cl.topics[t.Name] = info
	}
}

func (c *Client) refreshBrokers(ctx context.Context) error {
	_, err := c.metadata(ctx, []string{})
	return err
}

// metadata asks any broker about topics; nil names mean all of them.
func (c *Client) metadata(ctx context.Context, names []string) (*metadata.Response, error) {
	m, err := c.callAny(ctx, &metadata.Request{TopicNames: names})
	if err != nil {
		return nil, err
	}
	res := m.(*metadata.Response)
	c.cluster.take(res)
	return res, nil
}

// callAny sends a request to the first broker that answers.
func (c *Client) callAny(ctx context.Context, req protocol.Message) (protocol.Message, error) {
	var errs []error
	for _, addr := range c.cluster.anyAddrs(c.cfg.Brokers) {
		res, err := c.call(ctx, addr, requestTimeout, req)
		if err == nil {
			return res, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil || errors.Is(err, ErrClosed) {
			break
		}
	}
	return nil, join(errs...)
}

// topic returns a topic's layout, from memory when it is fresh.
func (c *Client) topic(ctx context.Context, name string) (*topicInfo, error) {
	c.cluster.mu.Lock()
	info := c.cluster.topics[name]
	c.cluster.mu.Unlock()
	if info != nil && time.Since(info.asked) < metadataAge {
		return info, nil
	}
	fresh, err := c.refreshTopic(ctx, name)
	if err != nil && info != nil && Retryable(err) {
		return info, nil // an old layout is better than none while the brokers are away
	}
	return fresh, err
}

// topicSoon is topic with patience for one that was made a moment ago, and for brokers that are away.
func (c *Client) topicSoon(ctx context.Context, name string) (info *topicInfo, err error) {
	err = c.retrying(ctx, topicPartition{topic: name}, func() error {
		info, err = c.topic(ctx, name)
		return err
	})
	return info, err
}

// refreshTopic asks for a topic's layout now.
func (c *Client) refreshTopic(ctx context.Context, name string) (*topicInfo, error) {
	res, err := c.metadata(ctx, []string{name})
	if err != nil {
		return nil, fmt.Errorf("ask for topic %s: %w", name, err)
	}
	for _, t := range res.Topics {
		if t.Name == name && t.ErrorCode != 0 {
			return nil, fmt.Errorf("ask for topic %s: %w", name, kafkago.Error(t.ErrorCode))
		}
	}
	c.cluster.mu.Lock()
	defer c.cluster.mu.Unlock()
	if info := c.cluster.topics[name]; info != nil {
		return info, nil
	}
	return nil, fmt.Errorf("ask for topic %s: %w", name, kafkago.UnknownTopicOrPartition)
}

// leader returns the address of a partition's leader.
func (c *Client) leader(ctx context.Context, topic string, partition int32) (string, error) {
	info, err := c.topic(ctx, topic)
	if err != nil {
		return "", err
	}
	if partition < 0 || int(partition) >= len(info.leaders) {
		return "", fmt.Errorf("topic %s partition %d: %w", topic, partition, kafkago.UnknownTopicOrPartition)
	}
	addr, ok := c.cluster.broker(info.leaders[partition])
	if !ok {
		return "", fmt.Errorf("topic %s partition %d: %w", topic, partition, kafkago.LeaderNotAvailable)
	}
	return addr, nil
}

// coordinator returns the address of the broker in charge of a group or a transactional id.
func (c *Client) coordinator(ctx context.Context, key coordinatorKey) (string, error) {
	c.cluster.mu.Lock()
	addr, ok := c.cluster.coordinators[key]
	c.cluster.mu.Unlock()
	if ok {
		return addr, nil
	}
	m, err := c.callAny(ctx, &findcoordinator.Request{Key: key.name, KeyType: key.kind})
	if err != nil {
		return "", fmt.Errorf("find coordinator of %s: %w", key.name, err)
	}
	res := m.(*findcoordinator.Response)
	if err := brokerError(res.ErrorCode); err != nil {
		return "", fmt.Errorf("find coordinator of %s: %w", key.name, err)
	}
	addr = net.JoinHostPort(res.Host, strconv.Itoa(int(res.Port)))
	c.cluster.mu.Lock()
	c.cluster.coordinators[key] = addr
	c.cluster.mu.Unlock()
	return addr, nil
}

// forgetCoordinator makes the next call to coordinator ask again.
func (c *Client) forgetCoordinator(key coordinatorKey) {
	c.cluster.mu.Lock()
	delete(c.cluster.coordinators, key)
	c.cluster.mu.Unlock()
}

// callCoordinator sends a request to the coordinator of key. code reads the response's error code; an error that means
// "not here" makes the next call ask for the coordinator again.
func (c *Client) callCoordinator(ctx context.Context, key coordinatorKey, timeout time.Duration, req protocol.Message, code func(protocol.Message) int16) (protocol.Message, error) {
	return c.atCoordinator(ctx, key, code, func(addr string) (protocol.Message, error) { return c.call(ctx, addr, timeout, req) })
}

// atCoordinator is callCoordinator with a way of sending of the caller's own.
func (c *Client) atCoordinator(ctx context.Context, key coordinatorKey, code func(protocol.Message) int16, send func(addr string) (protocol.Message, error)) (protocol.Message, error) {
	addr, err := c.coordinator(ctx, key)
	if err != nil {
		return nil, err
	}
	res, err := send(addr)
	if err != nil {
		c.forgetCoordinator(key)
		return nil, err
	}
	if code := kafkago.Error(code(res)); code != 0 {
		if movedCode(code) {
			c.forgetCoordinator(key)
		}
		return res, code
	}
	return res, nil
}
