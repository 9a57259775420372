package config_test

import (
	"slices"
	"strings"
	"testing"
)

func TestFingerprint_IgnoresWhatProcessesMayDifferIn(t *testing.T) {
	w := newWorld()
	want := w.mustParse(t, everyKey).Fingerprint()
	for _, change := range [][2]string{
		{"memory: 64MiB", "memory: 1GiB"},
		{"listen: 0.0.0.0:9100", "listen: 127.0.0.1:1"},
		{`client_secret: "s$$cret"`, "client_secret: other"},
		{"acme--dev.sandbox.my.salesforce.com/", "ACME--dev.sandbox.my.salesforce.com"},
		{"level: debug", "level: warn"},
		{"[Account, acme__Order__c]", "[acme__Order__c, Account]"},
		{"api_reserve: 30%", "api_reserve: 20%"},
		{"writeback_memory: 256MiB", "writeback_memory: 64MiB"},
		{"{c: upsert, d: delete}", "{d: delete, c: upsert}"},
		{"brokers: [\"${BROKERS}\", kafka-3:9093]", "brokers: [elsewhere:9093]"},
	} {
		changed := strings.Replace(everyKey, change[0], change[1], 1)
		if changed == everyKey {
			t.Fatalf("%q is not in the file", change[0])
		}
		if got := w.mustParse(t, changed).Fingerprint(); got != want {
			t.Errorf("%s for %s changes the fingerprint", change[1], change[0])
		}
	}
}

func TestFingerprint_TellsWhatMustBeShared(t *testing.T) {
	w := newWorld()
	before := w.mustParse(t, everyKey)
	for _, change := range [][2]string{
		{`"erp.2"`, "erp.3"},
		{"acme--dev.sandbox", "other.sandbox"},
		{"at-least-once", "exactly-once"},
		{"topic_prefix: salesforce", "topic_prefix: sf"},
		{"partitions: 12", "partitions: 13"},
		{"lanes: 16", "lanes: 8"},
		{"registry.example.com", "other.example.com"},
		{"/data/Sales__chn", "/data/Other__chn"},
		{"from: earliest", "from: latest"},
		{"on_replay_expired: latest", "on_replay_expired: stop"},
		{"key_field: Number__c", "key_field: Other__c"},
		{"echoes: drop", "echoes: mark"},
		{"namespace: acme", "namespace: other"},
		{"fields: {Name: name,", "fields: {Name: upper(name),"},
		{"operations: {c: upsert", "operations: {c: update"},
		{"conflict: newer-wins", "conflict: skip-if-changed"},
		{"bulk_above: 0", "bulk_above: 10"},
		{"event: Shipment__e, fields: {Status__c: status}", "event: Shipment__e, fields: {Status__c: state}"},
	} {
		changed := strings.Replace(everyKey, change[0], change[1], 1)
		if changed == everyKey {
			t.Fatalf("%q is not in the file", change[0])
		}
		after := w.mustParse(t, changed)
		if after.Fingerprint() == before.Fingerprint() || slices.Equal(after.Summary(), before.Summary()) {
			t.Errorf("%s for %s does not change the fingerprint", change[1], change[0])
		}
	}
}

func TestSummary_SaysWhichOrgAndChannel(t *testing.T) {
	got := newWorld().mustParse(t, base).Summary()
	for _, want := range []string{
		"orgs.main https://login.salesforce.com sync@example.com",
		"capture main /data/AccountChangeEvent from latest, on_replay_expired stop",
		"kafka.topics.retention 168h0m0s",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no line %q in\n%s", want, strings.Join(got, "\n"))
		}
	}
}
