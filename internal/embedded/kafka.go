package embedded

import (
	"fmt"
	"log/slog"
	"maps"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// KafkaConfig says how the broker runs. The zero value is a single broker in
// memory on a free loopback port.
type KafkaConfig struct {
	// Listen is host:port; port 0, the default, takes a free one. Further
	// brokers take the ports that follow.
	Listen string
	// Advertise is the host that clients are told to connect to; by default
	// the host of Listen, or 127.0.0.1 when that is a wildcard.
	Advertise string
	// ListenFn opens the listeners; nil is net.Listen.
	ListenFn func(network, address string) (net.Listener, error)
	// DataDir keeps topics, offsets and transactions across runs; empty keeps
	// them in memory. One process at a time.
	DataDir string
	// Brokers is how many nodes the cluster shows; 0 means 1.
	Brokers int
	// Partitions is the count for topics created without one; 0 means 4.
	Partitions int
	// BrokerConfigs sets broker settings by Kafka's names, such as
	// log.retention.bytes.
	BrokerConfigs map[string]string
	// Options are passed on as they are: SASL users, TLS, old versions.
	Options []kfake.Opt
	Logger  *slog.Logger // nil discards
}

// Kafka is a running broker. It supports what Kafka clients use: transactions
// with read_committed, consumer groups, compaction, topic administration.
type Kafka struct {
	cluster *kfake.Cluster
	addrs   []string
	done    chan struct{}
	wg      sync.WaitGroup
	once    sync.Once
}

// retentionEvery is how often old segments go; Kafka's own default is 5 min.
const retentionEvery = time.Minute

// StartKafka starts a broker and returns once it accepts connections.
func StartKafka(cfg KafkaConfig) (*Kafka, error) {
	host, port, err := splitListen(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("embedded kafka: listen address %q: %w", cfg.Listen, err)
	}
	cluster, err := kfake.NewCluster(kafkaOptions(cfg, host, port)...)
	if err != nil {
		return nil, fmt.Errorf("embedded kafka on %s: %w", net.JoinHostPort(host, strconv.Itoa(port)), err)
	}
	k := &Kafka{cluster: cluster, addrs: cluster.ListenAddrs(), done: make(chan struct{})}
	k.wg.Go(k.applyRetention)
	return k, nil
}

func kafkaOptions(cfg KafkaConfig, host string, port int) []kfake.Opt {
	brokers := max(cfg.Brokers, 1)
	ports := make([]int, brokers)
	for i := range ports {
		if port != 0 {
			ports[i] = port + i
		}
	}
	settings := map[string]string{"default.replication.factor": "1"}
	maps.Copy(settings, cfg.BrokerConfigs)
	partitions := cfg.Partitions
	if partitions == 0 {
		partitions = 4
	}
	opts := []kfake.Opt{
		kfake.Ports(ports...),
		kfake.ListenFn(listenOn(cfg, host)),
		kfake.AllowAutoTopicCreation(), // as Apache Kafka's default
		kfake.DefaultNumPartitions(partitions),
		kfake.ClusterID("sfbridge-embedded"),
		kfake.BrokerConfigs(settings),
		kfake.WithLogger(kfakeLog{cfg.Logger}),
	}
	if cfg.DataDir != "" {
		opts = append(opts, kfake.DataDir(cfg.DataDir))
	}
	return append(opts, cfg.Options...)
}

// listenOn puts our host in place of the loopback address that kfake asks for,
// and the advertised host into the listener's address, which kfake tells clients.
func listenOn(cfg KafkaConfig, host string) listenFunc {
	listen := cfg.ListenFn
	if listen == nil {
		listen = net.Listen
	}
	advertise := cfg.Advertise
	if ip := net.ParseIP(host); advertise == "" && (host == "" || ip != nil && ip.IsUnspecified()) {
		advertise = "127.0.0.1"
	}
	return func(network, address string) (net.Listener, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		l, err := listen(network, net.JoinHostPort(host, port))
		if err != nil || advertise == "" {
			return l, err
		}
		return advertised{l, advertise}, nil
	}
}

// advertised is a listener that gives another host as its address.
type advertised struct {
	net.Listener
	host string
}

// Addr joins the advertised host and the real port.
func (a advertised) Addr() net.Addr {
	_, port, err := net.SplitHostPort(a.Listener.Addr().String())
	if err != nil {
		return a.Listener.Addr()
	}
	return hostport(net.JoinHostPort(a.host, port))
}

type hostport string

func (hostport) Network() string  { return "tcp" }
func (h hostport) String() string { return string(h) }

// applyRetention deletes what is past log.retention.*, which kfake by itself
// does only while a compacted topic exists.
func (k *Kafka) applyRetention() {
	tick := time.NewTicker(retentionEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			k.cluster.ApplyRetention()
		case <-k.done:
			return
		}
	}
}

// Addr is the bootstrap address, host:port, of the first broker.
func (k *Kafka) Addr() string { return k.addrs[0] }

// Addrs are the addresses of all brokers.
func (k *Kafka) Addrs() []string { return append([]string(nil), k.addrs...) }

// Cluster gives tests the hooks underneath: faults, moved leaders, control of
// single requests.
func (k *Kafka) Cluster() *kfake.Cluster { return k.cluster }

// Close stops the broker, saving to DataDir if there is one. It may be called
// twice.
func (k *Kafka) Close() error {
	k.once.Do(func() {
		close(k.done)
		k.wg.Wait()
		k.cluster.Close()
	})
	return nil
}

// kfakeLog hands kfake's warnings to slog; its info level is one line a request.
type kfakeLog struct{ log *slog.Logger }

// Logf writes errors and warnings; the rest is dropped.
func (l kfakeLog) Logf(level kfake.LogLevel, format string, args ...any) {
	if l.log == nil || level > kfake.LogLevelWarn {
		return
	}
	l.log.Warn("embedded kafka: "+fmt.Sprintf(format, args...), "component", "embedded")
}
