package e2e

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc"

	"sfbridge/bridge"
	"sfbridge/internal/sandbox"
	"sfbridge/orgsim"
)

// TestC13_MoreStreamsThanAConnectionAllows_AllAreServed opens 130 channels on
// a service that allows 100 streams on a connection, whether the bridge knows
// of that or thinks that more fit.
func TestC13_MoreStreamsThanAConnectionAllows_AllAreServed(t *testing.T) {
	for _, perConn := range []int{0, 1000} {
		t.Run(fmt.Sprintf("streams per connection %d", perConn), func(t *testing.T) {
			org, channels := manyObjects(130)
			bubble(t, org, func(s *system) {
				lis, err := s.net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				srv := grpc.NewServer(grpc.MaxConcurrentStreams(100))
				s.sb.Org.RegisterPubSub(srv)
				go srv.Serve(lis)
				defer srv.Stop()
				cfg := s.config(channels...)
				cfg.Topics.Partitions = 1
				oc := cfg.Orgs[sandbox.OrgName]
				oc.PubSub.Endpoint, oc.PubSub.StreamsPerConn = lis.Addr().String(), perConn
				cfg.Orgs[sandbox.OrgName] = oc
				r := s.start(cfg)
				r.readyWithin(10 * time.Minute)
				s.oneEach(130)
				time.Sleep(10 * time.Minute)
				if v := s.completeWithin(10 * time.Minute); v.RecordsCommitted != 130 {
					t.Errorf("%d records, want 130", v.RecordsCommitted)
				}
				if n := s.net.Conns(lis.Addr().String()); n < 2 || n > 4 {
					t.Errorf("%d connections for 130 streams, want two or little more", n)
				}
				r.stop()
			})
		})
	}
}

// TestC13_ResourceExhaustedOnOpen_Heals lets the service turn away the first
// streams, as it does when an org has too many.
func TestC13_ResourceExhaustedOnOpen_Heals(t *testing.T) {
	org, channels := manyObjects(20)
	bubble(t, org, func(s *system) {
		s.inject(orgsim.Fault{
			Kind: orgsim.FaultStatus, On: orgsim.OnOpen, Method: "Subscribe",
			ErrorCode: "service.protection.stream.limit.triggered", Count: 60,
		})
		r := s.start(s.config(channels...))
		s.oneEach(20)
		if v := s.completeWithin(30 * time.Minute); v.RecordsCommitted != 20 {
			t.Errorf("%d records, want 20", v.RecordsCommitted)
		}
		r.readyWithin(time.Minute)
		if n := len(s.sb.Org.Faults()); n != 0 {
			t.Errorf("%d faults left: this tested nothing", n)
		}
		r.stop()
	})
}

// manyObjects is an org with n custom objects, and their channels.
func manyObjects(n int) (orgsim.Config, []string) {
	org := orgsim.Config{Seed: 1301}
	var channels []string
	for i := range n {
		name := fmt.Sprintf("Thing%03d__c", i)
		org.Objects = append(org.Objects, orgsim.ObjectDef{Name: name, Fields: []*orgsim.FieldDef{{Name: "Text__c", Type: orgsim.TypeString}}})
		channels = append(channels, bridge.ChangeChannel(name))
	}
	return org, channels
}

func (s *system) oneEach(n int) {
	s.t.Helper()
	for i := range n {
		s.insert(fmt.Sprintf("Thing%03d__c", i), map[string]orgsim.Value{"Text__c": orgsim.String("x")})
	}
}
