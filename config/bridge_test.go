package config_test

import (
	"errors"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"time"

	"sfbridge/bridge"
)

func TestBridge_CarriesWhatTheFileSays(t *testing.T) {
	w := newWorld()
	c := w.mustParse(t, everyKey)
	b, err := c.Bridge(nil)
	if err != nil {
		t.Fatal(err)
	}
	org := b.Orgs["sandbox"]
	password, err := b.Kafka.SASL.Password()
	if err != nil {
		t.Fatal(err)
	}
	for _, ck := range []struct {
		what      string
		got, want any
	}{
		{"name", b.Name, "erp.2"},
		{"at least once", b.AtLeastOnce, true},
		{"lanes", b.Lanes, int32(16)},
		{"timeouts", []time.Duration{b.TransactionTimeout, b.SessionTimeout, b.ShutdownTimeout}, []time.Duration{time.Minute, 30 * time.Second, 90 * time.Second}},
		{"memory", b.Memory, int64(64 << 20)},
		{"fingerprint", b.Fingerprint, c.Fingerprint()},
		{"topics", b.Topics, bridge.TopicConfig{Prefix: "salesforce", Partitions: 12, Replication: 3, Retention: 720 * time.Hour, MaxBytes: 2 << 20}},
		{"listen token", b.ListenToken.Reveal(), "hunter2-file"},
		{"brokers", len(b.Kafka.Brokers), 3},
		{"TLS", b.Kafka.TLS.ServerName, "kafka"},
		{"SASL", b.Kafka.SASL.Mechanism + " " + b.Kafka.SASL.Username + " " + password, "scram-sha-512 bridge hunter2-file"},
		{"registry", b.Registry.URL, "https://registry.example.com/apis/ccompat/v7"},
		{"client secret", org.Auth.ClientSecret.Reveal(), "s$cret"},
		{"Pub/Sub", org.PubSub.Plaintext, true},
		{"credit", org.Credit, 20},
		{"API version", org.REST.APIVersion, "66.0"},
		{"captures", b.Captures[0], bridge.Capture{Org: "sandbox", Channel: "/data/AccountChangeEvent", Earliest: true, OnExpired: bridge.Latest}},
		{"events", b.Captures[3], bridge.Capture{Org: "sandbox", Channel: "/event/Shipment__e", OnExpired: bridge.Stop, KeyField: "Number__c"}},
	} {
		if !reflect.DeepEqual(ck.got, ck.want) {
			t.Errorf("%s = %v, want %v", ck.what, ck.got, ck.want)
		}
	}
}

func TestBridge_SecretGoneSinceTheParseIsNamed(t *testing.T) {
	w := newWorld()
	c := w.mustParse(t, everyKey)
	delete(w.files, "/run/secrets/password")
	if _, err := c.Bridge(nil); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "listen_token") {
		t.Errorf("error = %v, want the key", err)
	}
}

func TestBridge_KafkaPasswordIsReadAtEachConnection(t *testing.T) {
	w := newWorld()
	b, err := w.mustParse(t, everyKey).Bridge(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.files["/run/secrets/password"] = "next"
	if got, err := b.Kafka.SASL.Password(); got != "next" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
