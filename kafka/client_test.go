package kafka_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"

	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
)

func password(p string) func() (string, error) { return func() (string, error) { return p, nil } }

func TestNew_BadConfig_SaysWhatIsWrong(t *testing.T) {
	for want, cfg := range map[string]kafka.Config{
		"none given":     {},
		"host:port":      {Brokers: []string{"localhost"}},
		"lz5":            {Brokers: []string{"a:1"}, Compression: "lz5"},
		"gssapi":         {Brokers: []string{"a:1"}, SASL: kafka.SASLConfig{Mechanism: "gssapi"}},
		"username":       {Brokers: []string{"a:1"}, SASL: kafka.SASLConfig{Mechanism: "plain"}},
		"wants a token":  {Brokers: []string{"a:1"}, SASL: kafka.SASLConfig{Mechanism: "oauthbearer"}},
		"gzip, snappy, ": {Brokers: []string{"a:1"}, Compression: "x"},
	} {
		if _, err := kafka.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want something about %q", cfg, err, want)
		}
	}
}

func TestPing_SASL(t *testing.T) {
	cluster := kafkatest.Fake(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "alice", "alice-secret"),
		kfake.Superuser("SCRAM-SHA-256", "bob", "bob-secret"), kfake.Superuser("SCRAM-SHA-512", "carol", "carol-secret"))
	for _, tc := range []struct{ mechanism, user, password, hint string }{
		{"plain", "alice", "alice-secret", ""},
		{"scram-sha-256", "bob", "bob-secret", ""},
		{"scram-sha-512", "carol", "carol-secret", ""},
		{"plain", "alice", "wrong", "secret"},
		{"scram-sha-256", "bob", "wrong", "secret"},
		{"scram-sha-512", "nobody", "wrong", "secret"},
		{"", "", "", "set kafka.sasl"},
	} {
		c := newClient(t, cluster, func(cfg *kafka.Config) {
			cfg.SASL = kafka.SASLConfig{Mechanism: tc.mechanism, Username: tc.user, Password: password(tc.password)}
		})
		err := c.Ping(t.Context())
		if tc.hint == "" {
			if err != nil {
				t.Errorf("%s as %s: %v", tc.mechanism, tc.user, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tc.hint) || strings.Contains(err.Error(), "wrong") {
			t.Errorf("%s as %s: got %v, want a hint to %q and no password", tc.mechanism, tc.user, err, tc.hint)
		}
	}
}

func TestPing_MechanismNotOffered_ListsThoseThatAre(t *testing.T) {
	cluster := kafkatest.Fake(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "alice", "alice-secret"))
	c := newClient(t, cluster, func(cfg *kafka.Config) {
		cfg.SASL = kafka.SASLConfig{Mechanism: "oauthbearer", Token: func(context.Context) (string, error) { return "t", nil }}
	})
	if err := c.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "plain") {
		t.Errorf("got %v, want the mechanisms that the broker offers", err)
	}
}

func TestPing_WrongPasswordThenRotated_LogsInWithoutRestart(t *testing.T) {
	cluster := kafkatest.Fake(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "alice", "new"))
	now := "old"
	c := newClient(t, cluster, func(cfg *kafka.Config) {
		cfg.SASL = kafka.SASLConfig{Mechanism: "plain", Username: "alice", Password: func() (string, error) { return now, nil }}
	})
	if err := c.Ping(t.Context()); err == nil {
		t.Error("the old password was taken")
	}
	now = "new"
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// testCertificate makes a certificate for host and the pool that trusts it.
func testCertificate(t *testing.T, host string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, IsCA: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestPing_TLS(t *testing.T) {
	cert, trusted := testCertificate(t, "localhost")
	secure := kafkatest.Fake(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}}))
	plain := kafkatest.Fake(t)
	_, distrusted := testCertificate(t, "localhost")
	for _, tc := range []struct {
		name    string
		cluster *kafkatest.Cluster
		tls     *tls.Config
		hint    string
	}{
		{"right", secure, &tls.Config{RootCAs: trusted, ServerName: "localhost"}, ""},
		{"wrong authority", secure, &tls.Config{RootCAs: distrusted, ServerName: "localhost"}, "kafka.tls.ca_file"},
		{"wrong name", secure, &tls.Config{RootCAs: trusted, ServerName: "elsewhere"}, "kafka.tls.server_name"},
		{"plain client", secure, nil, "set kafka.tls"},
		{"plain broker", plain, &tls.Config{RootCAs: trusted, ServerName: "localhost"}, "remove kafka.tls"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			err := newClient(t, tc.cluster, func(cfg *kafka.Config) { cfg.TLS = tc.tls }).Ping(ctx)
			if tc.hint == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.hint) {
				t.Errorf("got %v, want a hint to %q", err, tc.hint)
			}
		})
	}
}

func TestPing_NobodyThere_SaysSo(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	c, err := kafka.New(kafka.Config{Brokers: []string{addr}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	e, ok := errors.AsType[*kafka.Error](c.Ping(t.Context()))
	if !ok || !strings.Contains(e.Hint, "nothing listens there") || !strings.Contains(e.Error(), addr) {
		t.Errorf("got %+v", e)
	}
}

func TestPing_OneSeedOfThreeAlive_IsEnough(t *testing.T) {
	cluster := kafkatest.Fake(t)
	cluster.Brokers = append([]string{"127.0.0.1:1", "127.0.0.1:2"}, cluster.Brokers[0])
	if err := newClient(t, cluster).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPing_BrokerSilent_EndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		c := newClient(t, cluster)
		for _, addr := range cluster.Brokers {
			cluster.Net.Blackhole(addr)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		if err := c.Ping(ctx); err == nil || time.Since(start) > 6*time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}

func TestClient_IdleDays_GoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		c := newClient(t, cluster)
		ensureTopic(t, c, "t", 1, nil)
		p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
		for range 7 {
			commit(t, p, numbered("t", 0, 1)...)
			time.Sleep(24 * time.Hour)
		}
		if n := len(readAll(t, c, "t", 0)); n != 7 {
			t.Errorf("%d records, want 7", n)
		}
	})
}

func TestMetrics_TwoClientsOneRegistry_CountTogether(t *testing.T) {
	reg := prometheus.NewRegistry()
	cluster := kafkatest.Fake(t)
	for i := range 2 {
		c := newClient(t, cluster, func(cfg *kafka.Config) { cfg.Registerer = reg })
		ensureTopic(t, c, "t", 1, nil)
		commit(t, newProducer(t, c, kafka.ProducerConfig{TransactionalID: string(rune('a' + i))}), numbered("t", 0, 5)...)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		got[f.GetName()] = f.GetMetric()[0].GetCounter().GetValue()
	}
	if got["sfbridge_kafka_records_written_total"] != 10 || got["sfbridge_kafka_commits_total"] != 2 {
		t.Errorf("metrics %v", got)
	}
}
