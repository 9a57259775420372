package bridge

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"sfbridge/kafka"
	"sfbridge/pubsub"
	"sfbridge/salesforce"
	"sfbridge/salesforce/auth"
	"sfbridge/schemas"
)

// Config is all that a bridge needs, already checked: package config fills it
// from a file, tests and the demo fill it directly.
type Config struct {
	Name        string // names transactional ids, groups and internal topics
	Orgs        map[string]OrgConfig
	Kafka       kafka.Config
	Topics      TopicConfig
	Registry    schemas.RegistryConfig
	Captures    []Capture
	Writebacks  []Writeback
	Publishes   []Publish
	AtLeastOnce bool // for brokers without transactions

	Lanes              int32         // partitions of the assignments topic, one producer each
	TransactionTimeout time.Duration // how long a broker keeps an open transaction of a dead process
	SessionTimeout     time.Duration // after this silence a process loses its lanes to the others

	Memory          int64         // bytes of records that wait for their transaction, whole process
	WritebackMemory int64         // bytes of records read and not yet settled, with their rows, whole process; all flows share it
	Retention       time.Duration // how long the org keeps events: 72 h
	StartTimeout    time.Duration // how long a start waits for a side that does not answer
	ShutdownTimeout time.Duration

	Listen      string          // address of /metrics and the health pages; empty: none
	ListenToken auth.SecretFunc // bearer token for the listener, asked at each request; nil: no authentication
	ListenFn    func(network, address string) (net.Listener, error)

	Fingerprint string // of what all processes of one name must share
	Logger      *slog.Logger
}

// OrgConfig reaches one org.
type OrgConfig struct {
	Auth   auth.Config
	PubSub pubsub.Config     // Session is filled in by New
	REST   salesforce.Config // Session and ClientName are filled in by New
	Credit int               // events outstanding per subscription, at most 100

	Namespace salesforce.Namespace // of the managed package that custom names without one belong to
	Reserve   float64              // share of the day's API calls that write-back leaves to others; default 0.1
	Scarce    float64              // share of the day's API calls below which write-back saves them; default 0.25
}

// TopicConfig says how topics are named and created.
type TopicConfig struct {
	Prefix      string
	Create      bool
	Partitions  int32
	Replication int16
	Retention   time.Duration // of topics with cleanup.policy=delete; 0: the broker's default
	MaxBytes    int           // max.message.bytes of created topics; 0: the broker's default
}

// Capture is one channel of one org to carry into Kafka.
type Capture struct {
	Org       string
	Channel   string // /data/AccountChangeEvent, /event/Shipment__e, /data/X__chn
	Earliest  bool   // where a channel without a position starts; default latest
	OnExpired ExpiredPolicy
	KeyField  string // platform events: the field that becomes the key, else the event uuid
	// DropEchoes leaves out the changes that this bridge itself made, in place of
	// marking them.
	DropEchoes bool
}

// ExpiredPolicy says what happens when the org no longer accepts a channel's
// position. Nothing is ever skipped without one of these being asked for.
type ExpiredPolicy string

// The policies. Stop waits for a person; Earliest and Latest go on, with a
// hole that the log and sfbridge_capture_replay_expired_total tell of.
const (
	Stop     ExpiredPolicy = "stop"
	Earliest ExpiredPolicy = "earliest"
	Latest   ExpiredPolicy = "latest"
)

func (c *Config) setDefaults() {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.TransactionTimeout, 30*time.Second)
	def(&c.SessionTimeout, 10*time.Second)
	def(&c.Retention, 72*time.Hour)
	def(&c.StartTimeout, time.Minute)
	def(&c.ShutdownTimeout, 30*time.Second)
	if c.Lanes == 0 {
		c.Lanes = 8
	}
	if c.Memory == 0 {
		c.Memory = 16 << 20
	}
	if c.WritebackMemory == 0 {
		c.WritebackMemory = 128 << 20
	}
	if c.Topics.Prefix == "" {
		c.Topics.Prefix = "sf"
	}
	if c.Topics.Partitions == 0 {
		c.Topics.Partitions = 4
	}
	if c.Topics.Replication == 0 {
		c.Topics.Replication = -1
	}
	if c.ListenFn == nil {
		c.ListenFn = net.Listen
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

func (c *Config) validate() error {
	if c.Name == "" {
		return fmt.Errorf("bridge: no name: transactional ids and internal topics derive from it")
	}
	if len(c.Captures)+len(c.Writebacks)+len(c.Publishes) == 0 {
		return fmt.Errorf("bridge %s: nothing to do: name at least one channel to capture, or a topic to write back or publish", c.Name)
	}
	seen := make(map[string]bool)
	for _, cp := range c.Captures {
		if _, ok := c.Orgs[cp.Org]; !ok {
			return fmt.Errorf("capture %s: org %q is not configured", cp.Channel, cp.Org)
		}
		if !strings.HasPrefix(cp.Channel, "/data/") && !strings.HasPrefix(cp.Channel, "/event/") {
			return fmt.Errorf("capture %s: a channel starts with /data/ or /event/", cp.Channel)
		}
		key := cp.Org + cp.Channel
		if seen[key] {
			return fmt.Errorf("capture %s of org %s: named twice", cp.Channel, cp.Org)
		}
		seen[key] = true
	}
	return c.validateOutbound()
}

// ChangeChannel gives the channel of an object's change events: Account has
// /data/AccountChangeEvent, Order__c has /data/Order__ChangeEvent.
func ChangeChannel(object string) string {
	if base, ok := strings.CutSuffix(object, "__c"); ok {
		return "/data/" + base + "__ChangeEvent"
	}
	return "/data/" + object + "ChangeEvent"
}

// EventChannel gives the channel of a platform event.
func EventChannel(name string) string { return "/event/" + name }
