package pubsub_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/event"
	"sfbridge/internal/pipenet"
	"sfbridge/orgsim"
	"sfbridge/pubsub"
	"sfbridge/salesforce/auth"
)

// simulated is a whole org in the bubble, with a client that logs in to it.
type simulated struct {
	org    *orgsim.Org
	net    *pipenet.Network
	client *pubsub.Client
}

func simulate(t *testing.T, cfg orgsim.Config) *simulated {
	t.Helper()
	const web = "127.0.0.1:8443"
	public, private, err := orgsim.NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	cfg.OAuth.Apps = []orgsim.ConnectedApp{{ClientID: "app", PublicKey: public}}
	org, err := orgsim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	org.SetInstanceURL("http://" + web)
	s := &simulated{org: org, net: pipenet.New()}
	listen := func(addr string) net.Listener {
		l, err := s.net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	bus, rest := listen(addr), listen(web)
	server := &http.Server{Handler: org.HTTPHandler()}
	served := make(chan struct{}, 2)
	go func() { _ = org.ServePubSub(bus, nil); served <- struct{}{} }()
	go func() { _ = server.Serve(rest); served <- struct{}{} }()

	transport := &http.Transport{DialContext: s.net.Dial}
	session, err := auth.New(auth.Config{
		Method: auth.MethodJWTBearer, LoginURL: "http://" + web, ClientID: "app", Username: org.Username(),
		PrivateKey: func() ([]byte, error) { return private, nil }, HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.client, err = pubsub.New(pubsub.Config{
		Endpoint: addr, Plaintext: true, Session: session,
		Dial: func(ctx context.Context, addr string) (net.Conn, error) { return s.net.Dial(ctx, "tcp", addr) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.client.Close(); err != nil {
			t.Errorf("close client: %v", err)
		}
		transport.CloseIdleConnections()
		org.Close()
		_ = server.Close()
		<-served
		<-served
	})
	return s
}

// work makes n transactions: each makes an account, and each third one changes
// some of those there are, all alike, which the org tells in one event. Some
// time passes after each.
func (s *simulated) work(t *testing.T, n int, r *rand.Rand) {
	t.Helper()
	var ids []string
	for i := range n {
		_, err := s.org.Transact(t.Context(), orgsim.Caller{API: "rest"}, func(tx *orgsim.Tx) error {
			id, err := tx.Insert("Account", map[string]orgsim.Value{"Name": orgsim.String(fmt.Sprintf("Acme %d", i))})
			if err != nil || i%3 > 0 {
				ids = append(ids, id)
				return err
			}
			for at := range min(r.IntN(8), len(ids)) {
				if err := tx.Update(ids[at], map[string]orgsim.Value{"Phone": orgsim.String(fmt.Sprint(i))}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Errorf("transact: %v", err)
			return
		}
		pause := time.Duration(r.IntN(500)) * time.Millisecond
		if r.IntN(50) == 0 {
			pause = time.Duration(r.IntN(120)) * time.Second
		}
		select {
		case <-time.After(pause):
		case <-t.Context().Done():
			return
		}
	}
}

// delivered is what a channel has to bring, by the org's ledger: an update that
// covers several records comes once a record where events are enriched.
func (s *simulated) delivered(enriched bool) (uuids []string) {
	for _, e := range s.org.Ledger().Since(0) {
		if e.Index == 0 || enriched && e.ChangeType == event.Update {
			uuids = append(uuids, e.UUID)
		}
	}
	return uuids
}

// harm is what happens to the stream, again and again, at random.
func harm(seed uint64) []orgsim.Fault {
	r := rand.New(rand.NewPCG(seed, 1))
	var faults []orgsim.Fault
	for i := range 60 {
		f := orgsim.Fault{At: time.Duration(i)*30*time.Second + time.Duration(r.IntN(20_000))*time.Millisecond, After: r.IntN(5)}
		switch r.IntN(11) {
		case 0:
			f.Kind = orgsim.FaultDisconnect
		case 1:
			f.Kind = orgsim.FaultReset
		case 2:
			f.Kind, f.Delay = orgsim.FaultGoAway, time.Second
		case 3:
			f.Kind = orgsim.FaultEnd
		case 4:
			f.Kind, f.ErrorCode = orgsim.FaultStatus, "service.unavailable"
		case 5:
			f.Kind, f.Status = orgsim.FaultStatus, "UNAVAILABLE"
		case 6:
			f.Kind, f.ErrorCode = orgsim.FaultStatus, "service.protection.triggered"
		case 7:
			f.Kind, f.Delay = orgsim.FaultSlow, 3*time.Second
		case 8:
			f.Kind, f.Events = orgsim.FaultRedeliver, 1+r.IntN(20)
		case 9:
			f.Kind = orgsim.FaultRevoke
		case 10:
			f.Kind = orgsim.FaultBlackhole
		}
		faults = append(faults, f)
	}
	return faults
}

func TestSimulatedOrg_HarmedAtRandom_EveryEventOnceInOrder(t *testing.T) {
	for seed := range uint64(8) {
		for _, channel := range []string{accounts, sales} {
			t.Run(fmt.Sprintf("seed %d on %s", seed, channel), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { harmedAtRandom(t, seed, channel) })
			})
		}
	}
}

func harmedAtRandom(t *testing.T, seed uint64, channel string) {
	s := simulate(t, orgsim.Config{
		Seed: seed, KeepLedger: -1, VaryBatches: true, Faults: harm(seed),
		Channels: []orgsim.ChannelDef{{Name: sales, Members: []orgsim.ChannelMember{{Object: "Account", Enriched: []string{"Name"}}}}},
		Switches: orgsim.Switches{BinaryTrailer: seed%2 == 0, LatestBeyondEvents: seed%3 == 0, OverflowError: true},
	})
	lost := map[string]int{}
	sub := subscribe(t, s.client, pubsub.SubscribeConfig{
		Channel: channel, Start: pubsub.FromEarliest(),
		OnReconnect: func(reason string, _ error, _ time.Duration) { lost[reason]++ },
	})
	worked := make(chan struct{})
	go func() {
		defer close(worked)
		s.work(t, 1000, rand.New(rand.NewPCG(seed, 2)))
	}()
	r := rand.New(rand.NewPCG(seed, 3))
	var got, payloads []string
	for done := false; !done; {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		b, err := sub.Recv(ctx)
		cancel()
		if err != nil {
			t.Fatalf("after %d events: %v", len(got), err)
		}
		for _, e := range b.Events {
			got, payloads = append(got, e.UUID), append(payloads, string(e.Payload))
		}
		if r.IntN(20) == 0 {
			time.Sleep(time.Duration(r.IntN(90)) * time.Second)
		}
		select {
		case <-worked:
			done = len(got) >= len(s.delivered(channel == sales))
		default:
		}
	}
	want := s.delivered(channel == sales)
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("event %d is %s, want %s", i, got[i], want[i])
		}
		if i > 0 && payloads[i] == payloads[i-1] {
			t.Fatalf("event %d came twice, in place of a sibling", i)
		}
	}
	_ = sub.Close() // so that lost is no longer written to
	if len(lost) == 0 {
		t.Error("the stream was never lost: the faults did nothing")
	}
}
