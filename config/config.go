package config

import (
	"path/filepath"
	"time"
)

// Config is one configuration file, decoded, defaults filled in, checked.
type Config struct {
	Name            string // transactional ids, groups and internal topics derive from it
	Orgs            map[string]Org
	Kafka           Kafka
	SchemaRegistry  SchemaRegistry
	Capture         []Capture
	Writeback       []Writeback
	Publish         []Publish
	Memory          Bytes  // events that wait for their transaction, whole process
	WritebackMemory Bytes  // records read and not yet settled, whole process
	Listen          string // host:port; empty for no listener
	ListenToken     Secret
	Log             Log
	ShutdownTimeout time.Duration

	warnings Errors
}

// Log says what is logged and how.
type Log struct {
	Level  string // one of debug, info, warn, error
	Format string // one of text, json
}

// Warnings gives what is allowed but should be known, in the order of the file.
func (c *Config) Warnings() Errors { return c.warnings }

func (c *Config) keys() []key {
	return []key{
		{
			name: "name", to: &c.Name, required: true, valid: bridgeName, example: "crm",
			doc: "Names this bridge. Transactional ids, consumer groups and internal topics derive from it, so processes with the same name are one cluster, and a new name starts without any position. 1 to 60 of a-z, 0-9, dot, underscore and hyphen.",
		},
		{
			name: "orgs", to: &c.Orgs, required: true,
			doc: "The Salesforce orgs, each under a name of your choice that `capture`, `writeback` and `publish` refer to. The name is part of stored positions: renaming an org starts its channels anew.",
		},
		{name: "kafka", to: &c.Kafka, doc: "The Kafka cluster and the topics in it."},
		{name: "schema_registry", to: &c.SchemaRegistry, doc: "The Schema Registry, or anything that speaks its API."},
		{name: "capture", to: &c.Capture, doc: "What is carried from Salesforce to Kafka: a list, each entry for one org."},
		{
			name: "writeback", to: &c.Writeback,
			doc: "What is carried from Kafka into records of Salesforce: a list, each entry for one topic and one object ([mapping](mapping.md), [delivery](delivery.md)).",
		},
		{
			name: "publish", to: &c.Publish,
			doc: "What is carried from Kafka out as platform events: a list, each entry for one topic and one event.",
		},
		{
			name: "memory", to: &c.Memory, def: "16MiB", min: "1MiB", max: "64GiB", example: "64MiB",
			doc: "Bound on events that were received and are not yet committed to Kafka, for the whole process. When it is reached, the bridge stops asking Salesforce for more; nothing is dropped.",
		},
		{
			name: "writeback_memory", to: &c.WritebackMemory, def: "128MiB", min: "1MiB", max: "64GiB", example: "256MiB",
			doc: "Memory for records that were read from source topics and have no outcome yet, with the rows that they become, for the whole process; the entries of `writeback` and `publish` share it evenly. The rows of a bulk job have to fit, so a larger bound makes larger jobs: about 110,000 rows with the default, one entry and records of 200 bytes.",
		},
		{
			name: "listen", to: &c.Listen, def: "127.0.0.1:8080", valid: listenAddress, example: "127.0.0.1:9100",
			doc: "Address of /metrics, /healthz and /readyz. An address that is not loopback needs `listen_token`. `\"\"` for no listener.",
		},
		{
			name: "listen_token", to: &c.ListenToken, example: "${file:/run/secrets/listen_token}",
			doc: "Bearer token that callers of the listener must present. Read again at each request.",
		},
		{name: "log", to: &c.Log, doc: "Logging, to standard error."},
		{
			name: "shutdown_timeout", to: &c.ShutdownTimeout, def: "30s", min: "1s", max: "1h", example: "1m",
			doc: "How long a stopping process may take to commit what is in hand.",
		},
	}
}

func (l *Log) keys() []key {
	return []key{
		{
			name: "level", to: &l.Level, def: "info", oneOf: []string{"debug", "info", "warn", "error"}, example: "warn",
			doc: "The least severe messages that are written.",
		},
		{
			name: "format", to: &l.Format, def: "text", oneOf: []string{"text", "json"}, example: "json",
			doc: "One line of key=value pairs, or one JSON object, per message.",
		},
	}
}

// check looks for values that are right alone and wrong together.
func (c *Config) check(at scope) {
	for name, org := range c.Orgs {
		org.check(at.in("orgs").in(name))
	}
	c.Kafka.check(at.in("kafka"))
	c.SchemaRegistry.check(at.in("schema_registry"))
	c.checkCapture(at.in("capture"))
	c.checkOutbound(at)
	if c.Listen != "" && !isLoopback(c.Listen) && !at.given("listen_token") {
		at.fail("listen", "is reachable from other machines and nothing protects it",
			"set listen_token, or listen on 127.0.0.1")
	}
}

// dir is the folder that relative paths in the file start from.
func dir(file string) string { return filepath.Dir(file) }
