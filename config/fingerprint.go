package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Summary lists what all processes of one name must agree on, one fact a line,
// in an order that does not depend on how the file is arranged. Two lists that
// differ tell a person where the files do.
//
// Secrets, listeners, logging and bounds of one process are not in it, so
// processes may differ in those, and secrets may rotate one process at a time.
func (c *Config) Summary() []string {
	facts := []string{
		"name " + c.Name,
		"kafka.delivery " + c.Kafka.Delivery,
		"kafka.topic_prefix " + c.Kafka.TopicPrefix,
		fmt.Sprintf("kafka.lanes %d", c.Kafka.Lanes),
		fmt.Sprintf("kafka.topics.partitions %d", c.Kafka.Topics.Partitions),
		fmt.Sprintf("kafka.topics.replication %d", c.Kafka.Topics.Replication),
		fmt.Sprintf("kafka.topics.retention %s", c.Kafka.Topics.Retention),
		fmt.Sprintf("kafka.topics.max_message_bytes %s", c.Kafka.Topics.MaxMessageBytes),
		"schema_registry.url " + c.SchemaRegistry.URL,
	}
	for _, name := range slices.Sorted(maps.Keys(c.Orgs)) {
		facts = append(facts, "orgs."+name+" "+c.Orgs[name].identity())
	}
	var entries []string
	for _, cp := range c.Capture {
		for _, ch := range cp.ChannelNames(c.namespace(cp.Org)) {
			entries = append(entries, cp.fact(ch))
		}
	}
	for i := range c.Writeback {
		entries = append(entries, factOf("writeback", &c.Writeback[i]))
	}
	for i := range c.Publish {
		entries = append(entries, factOf("publish", &c.Publish[i]))
	}
	slices.Sort(entries)
	return append(facts, entries...)
}

// factOf writes down a section whole.
func factOf(name string, s section) string {
	var b strings.Builder
	b.WriteString(name)
	for _, k := range s.keys() {
		fmt.Fprintf(&b, ", %s %v", k.name, reflect.ValueOf(k.to).Elem()) // maps in the order of their keys
	}
	return b.String()
}

// identity is what tells one org from another. The user belongs to it: most
// orgs share a login host, and user names are unique over all orgs.
func (o Org) identity() string {
	parts := []string{o.LoginURL}
	if o.Auth.InstanceURL != "" {
		parts = []string{o.Auth.InstanceURL}
	}
	if o.Auth.Username != "" {
		parts = append(parts, o.Auth.Username)
	}
	if o.Namespace != "" {
		parts = append(parts, "namespace", o.Namespace)
	}
	return strings.ToLower(strings.Join(parts, " "))
}

func (c Capture) fact(channel string) string {
	fact := fmt.Sprintf("capture %s %s from %s, on_replay_expired %s", c.Org, channel, c.From, c.OnReplayExpired)
	if c.KeyField != "" {
		fact += ", key_field " + c.KeyField
	}
	if c.Echoes != Mark {
		fact += ", echoes " + c.Echoes
	}
	return fact
}

// Fingerprint is a short hash of Summary: 32 hex digits.
func (c *Config) Fingerprint() string {
	sum := sha256.Sum256([]byte(strings.Join(c.Summary(), "\n")))
	return hex.EncodeToString(sum[:16])
}
