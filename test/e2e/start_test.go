package e2e

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/bridge"
	"sfbridge/internal/sandbox"
	"sfbridge/orgsim"
)

// startFails runs a bridge that is not to get anywhere, and gives what it says.
func (s *system) startFails(cfg bridge.Config) string {
	s.t.Helper()
	r := s.start(cfg)
	select {
	case err := <-r.done:
		if err == nil {
			s.t.Fatal("the start ended without an error")
		}
		r.b.Close()
		return err.Error()
	case <-time.After(10 * time.Minute):
		s.t.Fatalf("the start goes on; problems: %v", r.b.Problems())
	}
	return ""
}

// checkFails asks for a check, which has to find the same, and gives what it
// says.
func (s *system) checkFails(cfg bridge.Config) string {
	s.t.Helper()
	b, err := bridge.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	text := ""
	ok := b.Check(ctx, func(f bridge.Finding) {
		if f.Err != nil {
			text += f.Part + " " + f.What + ": " + f.Err.Error() + "\n"
		}
	})
	if ok || text == "" {
		s.t.Errorf("check finds nothing wrong: ok %v, %s", ok, text)
	}
	return text
}

func (s *system) makeTopic(name string, partitions int32, configs map[string]string) {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.sb.KafkaAddr), kgo.Dialer(s.net.Dial))
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	values := make(map[string]*string)
	for k, v := range configs {
		values[k] = &v
	}
	if _, err := kadm.NewClient(client).CreateTopic(context.Background(), partitions, 1, values, name); err != nil {
		s.t.Fatal(err)
	}
}

// TestStart_Errors_NameTheThingAndTheRemedy goes through what can be wrong
// when the bridge starts.
func TestStart_Errors_NameTheThingAndTheRemedy(t *testing.T) {
	org := func(cfg *bridge.Config, change func(*bridge.OrgConfig)) {
		oc := cfg.Orgs[sandbox.OrgName]
		change(&oc)
		cfg.Orgs[sandbox.OrgName] = oc
	}
	type c = bridge.Config
	for _, tt := range []struct {
		name  string
		make  func(*system, *c)
		wants []string
	}{
		{"wrong key", func(s *system, cfg *c) {
			_, other, err := orgsim.NewKeyPair()
			if err != nil {
				t.Fatal(err)
			}
			org(cfg, func(oc *bridge.OrgConfig) { oc.Auth.PrivateKey = func() ([]byte, error) { return other, nil } })
		}, []string{"org:main", "invalid_grant", "certificate"}},
		{"wrong user", func(s *system, cfg *c) {
			org(cfg, func(oc *bridge.OrgConfig) { oc.Auth.Username = "nobody@example.com" })
		}, []string{"org:main", "nobody@example.com", "user"}},
		{"unknown channel", func(s *system, cfg *c) {
			cfg.Captures[1].Channel = "/data/ContcatChangeEvent"
		}, []string{"/data/ContcatChangeEvent", "spelling", "Change Data Capture", "Setup"}},
		{"missing permission", func(s *system, cfg *c) {
			s.sb.Org.SetAccess(s.sb.Org.IntegrationUser(), orgsim.Access{Forbidden: []string{"Contact"}})
		}, []string{contactChannel, "View All"}},
		{"no kafka", func(s *system, cfg *c) {
			cfg.Kafka.Brokers, cfg.StartTimeout = []string{"127.0.0.1:9999"}, 5*time.Second
		}, []string{"kafka", "127.0.0.1:9999", "within 5s", "kafka.brokers"}},
		{"silent kafka", func(s *system, cfg *c) {
			cfg.StartTimeout = 5 * time.Second
			s.net.Blackhole(s.sb.KafkaAddr)
		}, []string{"kafka", "within 5s"}},
		{"no registry", func(s *system, cfg *c) {
			cfg.Registry.URL, cfg.StartTimeout = "http://127.0.0.1:9998", 5*time.Second
		}, []string{"registry", "127.0.0.1:9998", "within 5s", "schema_registry.url"}},
		{"no registry API there", func(s *system, cfg *c) {
			s.sb.Registry.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
				if strings.HasPrefix(r.URL.Path, "/apis/ccompat/v7") {
					w.Write([]byte(`{"compatibilityLevel":"BACKWARD"}`))
					return true
				}
				http.NotFound(w, r)
				return true
			})
		}, []string{"registry", "404", "/apis/ccompat/v7", "schema_registry.url"}},
		{"no registry anywhere", func(s *system, cfg *c) {
			s.sb.Registry.Intercept(func(w http.ResponseWriter, r *http.Request) bool { http.NotFound(w, r); return true })
		}, []string{"registry", "404", "schema_registry.url"}},
		{"topic with too few partitions", func(s *system, cfg *c) {
			s.makeTopic("sf.cdc.Contact", 2, nil)
		}, []string{"sf.cdc.Contact", "partitions 2", "wanted 4", "add partitions", "kafka.topics.partitions"}},
		{"topic that compacts", func(s *system, cfg *c) {
			s.makeTopic("sf.cdc.Contact", 4, map[string]string{"cleanup.policy": "compact"})
		}, []string{"sf.cdc.Contact", "cleanup.policy", "compact", "kafka-configs"}},
		{"topics that nobody made", func(s *system, cfg *c) {
			cfg.Topics.Create = false
		}, []string{"topic", "create it with", "partitions", "kafka.topics.create"}},
		{"other number of lanes", func(s *system, cfg *c) {
			r := s.start(*cfg)
			r.readyWithin(time.Minute)
			r.stop()
			cfg.Lanes = 2
		}, []string{"_sfbridge.e2e.", "3 partitions", "kafka.lanes", "set kafka.lanes to 3"}},
		{"more lanes", func(s *system, cfg *c) {
			r := s.start(*cfg)
			r.readyWithin(time.Minute)
			r.stop()
			cfg.Lanes = 7
		}, []string{"_sfbridge.e2e.", "kafka.lanes", "set kafka.lanes to 3"}},
		{"listener for all without a token", func(s *system, cfg *c) {
			cfg.Listen, cfg.ListenFn = "0.0.0.0:8080", func(network, _ string) (net.Listener, error) {
				lis, err := s.net.Listen(network, "0.0.0.0:8080")
				return openListener{lis}, err
			}
		}, []string{"0.0.0.0:8080", "listen_token", "127.0.0.1"}},
		{"listener that is taken", func(s *system, cfg *c) {
			cfg.Listen = s.sb.KafkaAddr
		}, []string{s127, "listen", "free address"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, orgsim.Config{Seed: 1101}, func(s *system) {
				cfg := s.config(accountChannel, contactChannel)
				tt.make(s, &cfg)
				if !strings.HasPrefix(tt.name, "listener") {
					hasAll(t, s.checkFails(cfg), slices.DeleteFunc(slices.Clone(tt.wants), func(w string) bool { return w == "within 5s" })...)
				}
				text := s.startFails(cfg)
				t.Log(text)
				hasAll(t, text, tt.wants...)
				for _, secret := range []string{"PRIVATE KEY", "Bearer "} {
					if strings.Contains(text, secret) {
						t.Errorf("%q holds a secret", text)
					}
				}
			})
		})
	}
}

const s127 = "127.0.0.1:"

// openListener says that it listens on all addresses.
type openListener struct{ net.Listener }

func (openListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero, Port: 8080} }

// TestStart_CheckpointOfAnotherOrg_IsRefused points the name of an org at
// another one, whose replay ids mean nothing to the positions that are there.
func TestStart_CheckpointOfAnotherOrg_IsRefused(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 1102}, func(s *system) {
		r := s.start(s.config(accountChannel))
		r.readyWithin(10 * time.Second)
		s.insert("Account", nil)
		s.completeWithin(time.Minute)
		r.stop()
		other, err := sandbox.Start(sandbox.Config{
			Org: orgsim.Config{Seed: 1103, OrgID: "00DSB0000000002"}, KafkaAddr: s.sb.KafkaAddr,
			RegistryURL: s.sb.RegistryURL, Listen: s.net.Listen, Dial: s.net.Dial, Logger: s.log,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		cfg := s.config(accountChannel)
		cfg.Orgs = other.Bridge("e2e", accountChannel).Orgs
		hasAll(t, s.checkFails(cfg), s.sb.Org.OrgID(), other.Org.OrgID(), "name of its own")
		text := s.startFails(cfg)
		t.Log(text)
		hasAll(t, text, s.sb.Org.OrgID(), other.Org.OrgID(), sandbox.OrgName+accountChannel, "name of its own")
		if n := len(s.topic("sf.cdc.Account")); n != 1 {
			t.Errorf("%d records, want 1: nothing of the other org", n)
		}
	})
}

// TestStart_SidesComeLater_IsWaitedFor starts the bridge before Kafka, the
// registry and the org can be reached.
func TestStart_SidesComeLater_IsWaitedFor(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 1104}, func(s *system) {
		h := s.host()
		defer h.close()
		h.each(h.net.Refuse)
		r := s.start(h.on(s.config(accountChannel)))
		for i, addr := range h.addrs {
			time.AfterFunc(time.Duration(i+1)*4*time.Second, func() { h.net.Heal(addr) })
		}
		time.Sleep(2 * time.Second)
		if code, _ := r.page("/readyz"); code != 503 {
			t.Errorf("/readyz says %d before anything is reached", code)
		}
		r.readyWithin(time.Minute)
		s.insert("Account", nil)
		s.completeWithin(time.Minute)
		r.stop()
	})
}
