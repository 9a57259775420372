//go:build integration

package e2e

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sfbridge/bridge"
	"sfbridge/config"
	"sfbridge/orgsim"
	"sfbridge/test/rig"
)

// fileText is a configuration file; the section of the brokers is added.
const fileText = `name: %[1]s
orgs:
  main:
    login_url: %[2]s
    api_version: "%[3]s"
    pubsub_endpoint: %[4]s
    pubsub_tls: false
    auth: {method: jwt-bearer, client_id: sfbridge.sandbox, username: %[5]s, private_key_file: key.pem}
schema_registry: {url: "%[6]s"}
capture:
  - {org: main, objects: [Account], from: earliest}
listen: ""
kafka:
  topic_prefix: %[1]s
  lanes: 1
`

// TestReal_LoginsToKafka_ThroughAFile carries a change into Kafka with each
// way to log in and to encrypt, configured as people configure it.
func TestReal_LoginsToKafka_ThroughAFile(t *testing.T) {
	sasl, tls, both := rig.Env(t, rig.EnvSASL), rig.Env(t, rig.EnvTLS), rig.Env(t, rig.EnvSASLTLS)
	ca, cert, key := rig.Env(t, rig.EnvCA), rig.Env(t, rig.EnvClientCert), rig.Env(t, rig.EnvClientKey)
	for _, tt := range []struct{ name, kafka string }{
		{"plain", "  brokers: [\"" + sasl + "\"]\n  sasl: {mechanism: plain, username: alice, password: \"${file:alice}\"}\n"},
		{"scram-sha-256", "  brokers: [\"" + sasl + "\"]\n  sasl: {mechanism: scram-sha-256, username: bob, password: \"${file:bob}\"}\n"},
		{"scram-sha-512", "  brokers: [\"" + sasl + "\"]\n  sasl: {mechanism: scram-sha-512, username: bob, password: \"${file:bob}\"}\n"},
		{"oauthbearer", "  brokers: [\"" + sasl + "\"]\n  sasl: {mechanism: oauthbearer, token_file: token}\n"},
		{"tls", "  brokers: [\"" + tls + "\"]\n  tls: {enabled: true, ca_file: " + ca + "}\n"},
		{"tls with a client certificate", "  brokers: [\"" + tls + "\"]\n  tls: {enabled: true, ca_file: " + ca + ", cert_file: " + cert + ", key_file: " + key + "}\n"},
		{"scram over tls", "  brokers: [\"" + both + "\"]\n  tls: {enabled: true, ca_file: " + ca + "}\n  sasl: {mechanism: scram-sha-512, username: bob, password: \"${file:bob}\"}\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newReal(t, rig.Kafka(t), rig.Registry(t), orgsim.Config{Seed: 3001})
			r := s.start(s.fromFile(fileText + tt.kafka))
			r.readyWithin(20 * time.Second)
			s.insert("Account", nil)
			if _, v := s.complete(20 * time.Second); v.RecordsCommitted != 1 {
				t.Errorf("%d records, want 1", v.RecordsCommitted)
			}
			r.stop()
		})
	}
}

// fromFile makes the bridge that a file describes, with its secrets in files
// beside it.
func (s *realSystem) fromFile(text string) bridge.Config {
	s.t.Helper()
	dir := s.t.TempDir()
	enc := base64.RawURLEncoding.EncodeToString
	now := time.Now().Unix()
	token := enc([]byte(`{"alg":"none"}`)) + "." + enc(fmt.Appendf(nil, `{"sub":"carol","iat":%d,"exp":%d}`, now-10, now+3600)) + "."
	text = fmt.Sprintf(text, s.prefix, s.sb.OrgURL, s.sb.Org.APIVersion(), s.sb.PubSubAddr, s.sb.Org.Username(), s.sb.RegistryURL)
	for file, data := range map[string]string{"bridge.yaml": text, "key.pem": string(s.sb.PrivateKey()), "alice": "alice-secret\n", "bob": "bob-secret\n", "token": token + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(data), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	c, err := config.Load(filepath.Join(dir, "bridge.yaml"), config.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	cfg, err := c.Bridge(s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	return cfg
}
