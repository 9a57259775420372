//go:build integration

package kafka_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
)

// jwt is an unsecured token, as Kafka's test validator takes them.
func jwt(subject string, expires time.Time) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"none"}`)) + "." + enc(fmt.Appendf(nil, `{"sub":%q,"iat":%d,"exp":%d}`, subject, time.Now().Unix()-10, expires.Unix())) + "."
}

func token(s string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return s, nil }
}

func TestReal_SASL(t *testing.T) {
	cluster := &kafkatest.Cluster{Brokers: []string{kafkatest.Env(t, "SFBRIDGE_TEST_KAFKA_SASL")}}
	for _, tc := range []struct {
		name string
		sasl kafka.SASLConfig
		hint string
	}{
		{"plain", kafka.SASLConfig{Mechanism: "plain", Username: "alice", Password: password("alice-secret")}, ""},
		{"scram-sha-256", kafka.SASLConfig{Mechanism: "scram-sha-256", Username: "bob", Password: password("bob-secret")}, ""},
		{"scram-sha-512", kafka.SASLConfig{Mechanism: "scram-sha-512", Username: "bob", Password: password("bob-secret")}, ""},
		{"oauthbearer", kafka.SASLConfig{Mechanism: "oauthbearer", Token: token(jwt("alice", time.Now().Add(time.Hour)))}, ""},
		{"plain, wrong password", kafka.SASLConfig{Mechanism: "plain", Username: "alice", Password: password("hunter2")}, "secret"},
		{"scram, wrong password", kafka.SASLConfig{Mechanism: "scram-sha-512", Username: "bob", Password: password("hunter2")}, "secret"},
		{"oauthbearer, expired", kafka.SASLConfig{Mechanism: "oauthbearer", Token: token(jwt("alice", time.Now().Add(-time.Minute)))}, "secret"},
		{"no login", kafka.SASLConfig{}, "set kafka.sasl"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClient(t, cluster, func(cfg *kafka.Config) { cfg.SASL = tc.sasl })
			err := c.Ping(t.Context())
			if tc.hint != "" {
				if err == nil || !strings.Contains(err.Error(), tc.hint) || strings.Contains(err.Error(), "hunter2") {
					t.Fatalf("got %v, want a hint to %q", err, tc.hint)
				}
				t.Log(err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			topic := kafkatest.Name(t)
			ensureTopic(t, c, topic, 1, nil)
			commit(t, newProducer(t, c, kafka.ProducerConfig{TransactionalID: topic}), numbered(topic, 0, 3)...)
			if n := len(readAll(t, c, topic, 0)); n != 3 {
				t.Errorf("%d records", n)
			}
		})
	}
}

func TestReal_TLS(t *testing.T) {
	trusted := x509.NewCertPool()
	pem, err := os.ReadFile(kafkatest.Env(t, "SFBRIDGE_TEST_KAFKA_CA"))
	if err != nil || !trusted.AppendCertsFromPEM(pem) {
		t.Fatalf("read authority: %v", err)
	}
	plain, secure, login := kafkatest.Env(t, "SFBRIDGE_TEST_KAFKA"), kafkatest.Env(t, "SFBRIDGE_TEST_KAFKA_TLS"), kafkatest.Env(t, "SFBRIDGE_TEST_KAFKA_SASL_TLS")
	scram := kafka.SASLConfig{Mechanism: "scram-sha-512", Username: "bob", Password: password("bob-secret")}
	for _, tc := range []struct {
		name, addr string
		tls        *tls.Config
		sasl       kafka.SASLConfig
		hint       string
	}{
		{"right", secure, &tls.Config{RootCAs: trusted}, kafka.SASLConfig{}, ""},
		{"with login", login, &tls.Config{RootCAs: trusted}, scram, ""},
		{"unknown authority", secure, &tls.Config{}, kafka.SASLConfig{}, "kafka.tls.ca_file"},
		{"wrong name", secure, &tls.Config{RootCAs: trusted, ServerName: "elsewhere"}, kafka.SASLConfig{}, "kafka.tls.server_name"},
		{"plain client", secure, nil, kafka.SASLConfig{}, "set kafka.tls"},
		{"plain listener", plain, &tls.Config{RootCAs: trusted}, kafka.SASLConfig{}, "remove kafka.tls"},
		{"login on a plain listener", plain, nil, scram, "remove kafka.sasl"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cluster := &kafkatest.Cluster{Brokers: []string{tc.addr}}
			c := newClient(t, cluster, func(cfg *kafka.Config) { cfg.TLS, cfg.SASL = tc.tls, tc.sasl })
			err := c.Ping(t.Context())
			if tc.hint != "" {
				if err == nil || !strings.Contains(err.Error(), tc.hint) {
					t.Fatalf("got %v, want a hint to %q", err, tc.hint)
				}
				t.Log(err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			topic := kafkatest.Name(t)
			ensureTopic(t, c, topic, 2, nil)
			commit(t, newProducer(t, c, kafka.ProducerConfig{TransactionalID: topic}), numbered(topic, 1, 3)...)
			if n := len(readAll(t, c, topic, 1)); n != 3 {
				t.Errorf("%d records", n)
			}
		})
	}
}
