// Package rig gives tests the real servers that scripts/rig.sh runs: the shared Kafka and registry by their addresses, and
// private brokers that a test may stop, kill, pause and start again. For tests only.
package rig

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The variables that scripts/rig.sh env prints.
const (
	EnvKafka      = "SFBRIDGE_TEST_KAFKA"             // plain listener, host:port
	EnvRegistry   = "SFBRIDGE_TEST_REGISTRY"          // base URL of the Confluent-compatible API
	EnvSASL       = "SFBRIDGE_TEST_KAFKA_SASL"        // SASL over plain text
	EnvTLS        = "SFBRIDGE_TEST_KAFKA_TLS"         // TLS, client certificate optional
	EnvSASLTLS    = "SFBRIDGE_TEST_KAFKA_SASL_TLS"    // SASL over TLS
	EnvCA         = "SFBRIDGE_TEST_KAFKA_CA"          // PEM file of the authority that signed the server
	EnvClientCert = "SFBRIDGE_TEST_KAFKA_CLIENT_CERT" // PEM file of a client certificate
	EnvClientKey  = "SFBRIDGE_TEST_KAFKA_CLIENT_KEY"  // PEM file of its key
)

// Kafka returns the plain address of the shared broker; it fails the test when the rig is not up.
func Kafka(t testing.TB) string { return Env(t, EnvKafka) }

// Registry returns the base URL of the shared schema registry; it fails the test when the rig is not up.
func Registry(t testing.TB) string { return Env(t, EnvRegistry) }

// Env returns one of the variables above: from the environment, or from the file that a running rig leaves in the
// checkout. It fails the test when neither has it.
func Env(t testing.TB, name string) string {
	t.Helper()
	if v := os.Getenv(name); v != "" {
		return v
	}
	v, err := fromFile(filepath.Join(Dir(t), "env"), name)
	if err != nil {
		t.Fatalf("%s is not set (%v); start the rig with: make up", name, err)
	}
	return v
}

func fromFile(path, name string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "export "+name+"="); ok {
			return v, nil
		}
	}
	return "", fmt.Errorf("%s has no %s", path, name)
}

// Root returns the top folder of the checkout.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d
		}
		if d == filepath.Dir(d) {
			t.Fatalf("no go.mod above %s", dir)
		}
	}
}

// Dir returns the folder where the rig keeps what it installs, the same as in scripts/rig.sh.
func Dir(t testing.TB) string {
	t.Helper()
	if d := os.Getenv("SFBRIDGE_RIG_DIR"); d != "" {
		return d
	}
	return filepath.Join(Root(t), ".rig")
}

// Broker is a private Kafka broker, alone in its cluster. Its address and its data stay the same over Stop or Kill and
// Start.
type Broker struct {
	// Addr is the plain listener, host:port.
	Addr string

	t    testing.TB
	dir  string
	port int
}

// StartBroker starts a private broker whose data live in dir, and stops it when the test ends. Properties are lines for
// server.properties, such as "message.max.bytes=100000". It returns when the broker takes requests (about three seconds).
func StartBroker(t testing.TB, dir string, properties ...string) *Broker {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if len(properties) > 0 {
		text := strings.Join(properties, "\n") + "\n"
		if err := os.WriteFile(filepath.Join(dir, "extra.properties"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	port := FreePort(t)
	b := &Broker{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), t: t, dir: dir, port: port}
	t.Cleanup(func() {
		if err := b.script(context.Background(), "kill"); err != nil {
			t.Error(err)
		}
	})
	b.Start()
	return b
}

// Start starts the broker again after Stop or Kill, with the data that it had.
func (b *Broker) Start() { b.t.Helper(); b.must("start") }

// Stop ends the broker in good order.
func (b *Broker) Stop() { b.t.Helper(); b.must("stop") }

// Kill ends the broker at once (SIGKILL); what it had not written is lost.
func (b *Broker) Kill() { b.t.Helper(); b.must("kill") }

// Pause makes the broker deaf without closing its connections (SIGSTOP), like a machine that hangs.
func (b *Broker) Pause() { b.t.Helper(); b.must("pause") }

// Cont lets a paused broker go on.
func (b *Broker) Cont() { b.t.Helper(); b.must("cont") }

func (b *Broker) must(action string) {
	b.t.Helper()
	if err := b.script(b.t.Context(), action); err != nil {
		b.t.Fatal(err)
	}
}

// script runs one action of scripts/rig.sh on this broker.
func (b *Broker) script(ctx context.Context, action string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	script := filepath.Join(Root(b.t), "scripts", "rig.sh")
	cmd := exec.CommandContext(ctx, script, "broker", b.dir, strconv.Itoa(b.port), action)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("broker %s in %s: %w\n%s", action, b.dir, err, out)
	}
	return nil
}

// FreePort returns a loopback port that nothing listens on, below the range that the system gives to outgoing
// connections, so that it stays free while the server that uses it is down.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port between 20000 and 32000")
	return 0
}
