// Package sandbox is a whole system to play with: a simulated org, a Kafka and
// a Schema Registry, and the configuration of a bridge between them. The demo
// runs one; whole-program tests run one over real sockets or, inside a
// testing/synctest bubble, over connections in memory.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"sfbridge/bridge"
	"sfbridge/internal/embedded"
	"sfbridge/kafka"
	"sfbridge/orgsim"
	"sfbridge/pubsub"
	"sfbridge/salesforce"
	"sfbridge/salesforce/auth"
	"sfbridge/schemas"
)

// Config says where things listen. The zero value takes free loopback ports
// and keeps everything in memory.
type Config struct {
	Org orgsim.Config

	OrgListen      string
	PubSubListen   string
	KafkaListen    string
	RegistryListen string

	KafkaAddr   string // a Kafka to use in place of the embedded one
	RegistryURL string // a registry to use in place of the embedded one

	Dir string // keeps Kafka's and the registry's data; empty: in memory

	Listen func(network, address string) (net.Listener, error)
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Logger *slog.Logger
}

// Sandbox is a running system without its bridge.
type Sandbox struct {
	Org      *orgsim.Org
	Kafka    *embedded.Kafka    // nil with KafkaAddr
	Registry *embedded.Registry // nil with RegistryURL

	OrgURL      string
	PubSubAddr  string
	KafkaAddr   string
	RegistryURL string

	cfg     Config
	key     []byte // PEM of the integration user's key
	web     *http.Server
	serving sync.WaitGroup
	closers []func() error
}

// ClientID is the connected app that the sandbox's bridge logs in as.
const ClientID = "sfbridge.sandbox"

// Start starts the parts; Close stops them.
func Start(cfg Config) (_ *Sandbox, err error) {
	if cfg.Listen == nil {
		cfg.Listen = net.Listen
	}
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sandbox{cfg: cfg, KafkaAddr: cfg.KafkaAddr, RegistryURL: cfg.RegistryURL}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err := s.startKafka(); err != nil {
		return nil, err
	}
	if err := s.startRegistry(); err != nil {
		return nil, err
	}
	return s, s.startOrg()
}

func (s *Sandbox) onClose(f func() error) { s.closers = append(s.closers, f) }

func (s *Sandbox) dataDir(part string) string {
	if s.cfg.Dir == "" {
		return ""
	}
	return filepath.Join(s.cfg.Dir, part)
}

func (s *Sandbox) startKafka() error {
	if s.KafkaAddr != "" {
		return nil
	}
	k, err := embedded.StartKafka(embedded.KafkaConfig{
		Listen: s.cfg.KafkaListen, ListenFn: s.cfg.Listen, DataDir: s.dataDir("kafka"), Logger: s.cfg.Logger,
	})
	if err != nil {
		return err
	}
	s.Kafka, s.KafkaAddr = k, k.Addr()
	s.onClose(k.Close)
	return nil
}

func (s *Sandbox) startRegistry() error {
	if s.RegistryURL != "" {
		return nil
	}
	r, err := embedded.StartRegistry(embedded.RegistryConfig{
		Listen: s.cfg.RegistryListen, ListenFn: s.cfg.Listen, DataDir: s.dataDir("registry"), Logger: s.cfg.Logger,
	})
	if err != nil {
		return err
	}
	s.Registry, s.RegistryURL = r, r.URL()
	s.onClose(r.Close)
	return nil
}

func (s *Sandbox) startOrg() error {
	public, private, err := orgsim.NewKeyPair()
	if err != nil {
		return fmt.Errorf("key pair of the integration user: %w", err)
	}
	s.key = private
	if s.Org, err = orgsim.New(s.cfg.Org); err != nil {
		return fmt.Errorf("simulated org: %w", err)
	}
	s.onClose(func() error { s.Org.Close(); return nil })
	s.Org.RegisterApp(orgsim.ConnectedApp{ClientID: ClientID, PublicKey: public})
	lis, err := s.cfg.Listen("tcp", orLoopback(s.cfg.OrgListen))
	if err != nil {
		return fmt.Errorf("simulated org: %w", err)
	}
	s.OrgURL = "http://" + lis.Addr().String()
	s.web = &http.Server{Handler: s.Org.HTTPHandler(), ReadHeaderTimeout: time.Minute}
	s.serving.Go(func() { s.web.Serve(lis) })
	s.onClose(s.web.Close)
	return s.servePubSub()
}

func (s *Sandbox) servePubSub() error {
	lis, err := s.cfg.Listen("tcp", orLoopback(s.cfg.PubSubListen))
	if err != nil {
		return fmt.Errorf("simulated org, Pub/Sub API: %w", err)
	}
	s.PubSubAddr = lis.Addr().String()
	s.serving.Go(func() { s.Org.ServePubSub(lis, nil) })
	return nil
}

func orLoopback(addr string) string {
	if addr == "" {
		return "127.0.0.1:0"
	}
	return addr
}

// Close stops everything, last started first.
func (s *Sandbox) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	s.serving.Wait()
	return errors.Join(errs...)
}

// HTTPClient reaches the parts of the sandbox.
func (s *Sandbox) HTTPClient() *http.Client {
	return &http.Client{Transport: salesforce.NewTransport(s.cfg.Dial, nil)}
}

// OrgName is the org's name in the configuration that Bridge gives.
const OrgName = "main"

// Bridge gives the configuration of a bridge between the parts, capturing the
// channels from the start of what the org keeps.
func (s *Sandbox) Bridge(name string, channels ...string) bridge.Config {
	web := s.HTTPClient()
	cfg := bridge.Config{
		Name: name, Fingerprint: "sandbox", Logger: s.cfg.Logger,
		Kafka:    kafka.Config{Brokers: []string{s.KafkaAddr}, Dial: s.cfg.Dial},
		Topics:   bridge.TopicConfig{Prefix: "sf", Create: true, Partitions: 4, Replication: -1},
		Registry: schemas.RegistryConfig{URL: s.RegistryURL, HTTPClient: web},
		Orgs: map[string]bridge.OrgConfig{OrgName: {
			Auth: auth.Config{
				Method: "jwt-bearer", LoginURL: s.OrgURL, ClientID: ClientID,
				Username: s.Org.Username(), PrivateKey: func() ([]byte, error) { return s.key, nil }, HTTPClient: web,
			},
			PubSub: pubsub.Config{
				Endpoint: s.PubSubAddr, Plaintext: true,
				Dial: func(ctx context.Context, addr string) (net.Conn, error) { return s.cfg.Dial(ctx, "tcp", addr) },
			},
			REST: salesforce.Config{APIVersion: s.Org.APIVersion(), HTTPClient: web},
		}},
		ListenFn: s.cfg.Listen,
	}
	for _, ch := range channels {
		cfg.Captures = append(cfg.Captures, bridge.Capture{Org: OrgName, Channel: ch, Earliest: true, OnExpired: bridge.Stop})
	}
	return cfg
}

// PrivateKey is the PEM text that the integration user logs in with.
func (s *Sandbox) PrivateKey() []byte { return s.key }
