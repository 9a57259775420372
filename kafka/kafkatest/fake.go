// Package kafkatest gives tests a Kafka to work against: an embedded one over memory, or the real one of `make test`. It also
// has a reader that shares no code with package kafka, and a network that breaks connections on request.
package kafkatest

import (
	"context"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/internal/pipenet"
)

// DialFunc opens connections, as kafka.Config.Dial does.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Cluster is a Kafka cluster and how to reach it.
type Cluster struct {
	Brokers []string
	Dial    DialFunc
	// Fake is the embedded cluster behind it, nil when it is a real one.
	Fake *kfake.Cluster
	// Net is the memory that Fake is reached through, with faults of its own.
	Net *pipenet.Network
}

// Fake starts an embedded cluster of three brokers that is reached through memory, so it works inside a synctest bubble
// when made there. It ends with the test.
func Fake(t testing.TB, opts ...kfake.Opt) *Cluster {
	t.Helper()
	network := pipenet.New()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.ListenFn(network.Listen)}, opts...)...)
	if err != nil {
		t.Fatalf("start embedded kafka: %v", err)
	}
	t.Cleanup(cluster.Close)
	return &Cluster{Brokers: cluster.ListenAddrs(), Dial: network.Dial, Fake: cluster, Net: network}
}

// Kgo returns a franz-go client of the cluster.
func (c *Cluster) Kgo(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	all := []kgo.Opt{kgo.SeedBrokers(c.Brokers...)}
	if c.Dial != nil {
		all = append(all, kgo.Dialer(c.Dial))
	}
	client, err := kgo.NewClient(append(all, opts...)...)
	if err != nil {
		t.Fatalf("franz-go client: %v", err)
	}
	t.Cleanup(client.Close)
	return client
}
