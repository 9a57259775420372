package orgsim_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"sfbridge/orgsim"
	"sfbridge/orgsim/orgsimtest"
	"sfbridge/pubsub/pubsubpb"
)

func inject(t *testing.T, org *orgsim.Org, f orgsim.Fault) {
	t.Helper()
	if err := org.Inject(f); err != nil {
		t.Fatal(err)
	}
}

// ended receives until the call ends, and gives the error.
func (s *stream) ended() error {
	for {
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
}

func TestFault_AfterEvents_StrikesBetweenThem(t *testing.T) {
	for _, c := range []struct {
		name   string
		fault  orgsim.Fault
		status codes.Code
		code   string
	}{
		{"service unavailable", orgsim.Fault{Kind: orgsim.FaultStatus, ErrorCode: "service.unavailable"}, codes.Internal, "service.unavailable"},
		{"unavailable without code", orgsim.Fault{Kind: orgsim.FaultStatus}, codes.Unavailable, ""},
		{"auth error", orgsim.Fault{Kind: orgsim.FaultStatus, ErrorCode: "service.auth.error"}, codes.Unauthenticated, "service.auth.error"},
		{"any status", orgsim.Fault{Kind: orgsim.FaultStatus, Status: "data_loss", ErrorCode: "x"}, codes.DataLoss, "x"},
		{"rst", orgsim.Fault{Kind: orgsim.FaultReset}, codes.Internal, ""},
		{"goaway", orgsim.Fault{Kind: orgsim.FaultGoAway, Message: "too_many_pings"}, codes.Unavailable, ""},
		{"disconnect", orgsim.Fault{Kind: orgsim.FaultDisconnect}, codes.Unavailable, ""},
		{"restart", orgsim.Fault{Kind: orgsim.FaultRestart}, codes.Internal, "service.unavailable"},
		{"moved", orgsim.Fault{Kind: orgsim.FaultMoveOrg}, codes.Internal, "service.unavailable"},
		{"revoked", orgsim.Fault{Kind: orgsim.FaultRevoke}, codes.Unauthenticated, "service.auth.error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := orgsimtest.StartMem(t, orgsim.Config{})
				accounts(t, r.Org, 20)
				c.fault.After, c.fault.Channel = 7, accountChannel
				inject(t, r.Org, c.fault)
				s := subscribe(t, r, earliest(accountChannel, 100))
				last := s.events(7)[6].GetReplayId()
				wantRefusal(t, s.ended(), s.Trailer(), c.status, c.code)
				if len(r.Org.Faults()) != 0 {
					t.Errorf("the fault waits on: %+v", r.Org.Faults())
				}
				if c.fault.Kind == orgsim.FaultMoveOrg {
					return
				}
				r.Login()
				subscribe(t, r, after(accountChannel, last, 100)).events(13)
			})
		})
	}
}

func TestFault_CleanEnd_EOF(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		s := subscribe(t, r, latest(accountChannel, 10))
		synctest.Wait()
		inject(t, r.Org, orgsim.Fault{Kind: orgsim.FaultEnd}) // strikes an idle stream too
		if err := s.ended(); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want EOF", err)
		}
	})
}

func TestFault_Stall_SilenceWithoutKeepalive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		accounts(t, r.Org, 5)
		inject(t, r.Org, orgsim.Fault{Kind: orgsim.FaultStall, After: 2, Delay: 10 * time.Minute})
		s := subscribe(t, r, earliest(accountChannel, 100))
		s.events(2)
		start := time.Now()
		s.events(3)
		if d := time.Since(start); d != 10*time.Minute {
			t.Errorf("silent for %v, want 10m", d)
		}
	})
}

func TestFault_Blackhole_NothingComesAndOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		accounts(t, r.Org, 5)
		inject(t, r.Org, orgsim.Fault{Kind: orgsim.FaultBlackhole, After: 2})
		s := subscribe(t, r, earliest(accountChannel, 100))
		s.events(2)
		silent := make(chan error, 1)
		go func() { silent <- s.ended() }()
		time.Sleep(time.Hour) // gRPC's own server would ping and find out after two
		select {
		case err := <-silent:
			t.Fatalf("the stream ended: %v", err)
		default:
		}
		subscribe(t, r, earliest(accountChannel, 100)).events(5)
		r.Org.Close()
		<-silent
	})
}

func TestFault_FirstMessage_AfterASuccessfulOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		accounts(t, r.Org, 1)
		inject(t, r.Org, orgsim.Fault{Kind: orgsim.FaultStatus, On: orgsim.OnFirst, ErrorCode: "subscription.internal.error", After: 1, Count: 2})
		subscribe(t, r, earliest(accountChannel, 10)).events(1)
		for range 2 {
			subscribe(t, r, earliest(accountChannel, 10)).refused(codes.Internal, "subscription.internal.error")
		}
		subscribe(t, r, earliest(accountChannel, 10)).events(1)
	})
}

func TestFault_OnOpen_UnaryCallsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		inject(t, r.Org, orgsim.Fault{Kind: orgsim.FaultStatus, On: orgsim.OnOpen, Method: "GetSchema", ErrorCode: "schema.api.unavailable"})
		inject(t, r.Org, orgsim.Fault{Kind: orgsim.FaultSlow, On: orgsim.OnOpen, Method: "GetTopic", Delay: 9 * time.Second})
		client := r.Client(t)
		start := time.Now()
		info, err := client.GetTopic(r.Context(t.Context()), &pubsubpb.TopicRequest{TopicName: accountChannel})
		if d := time.Since(start); err != nil || d != 9*time.Second {
			t.Fatalf("GetTopic after %v: %v", d, err)
		}
		var trailer metadata.MD
		req := &pubsubpb.SchemaRequest{SchemaId: info.GetSchemaId()}
		_, err = client.GetSchema(r.Context(t.Context()), req, grpc.Trailer(&trailer))
		wantRefusal(t, err, trailer, codes.Unavailable, "schema.api.unavailable")
		if s, err := client.GetSchema(r.Context(t.Context()), req); err != nil || s.GetSchemaId() != info.GetSchemaId() {
			t.Errorf("the next call: %v, %v", s, err)
		}
	})
}

func TestFault_SpoiltEvents_OneEachAndTheRestIntact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		accounts(t, r.Org, 10)
		inject(t, r.Org, orgsim.Fault{Kind: orgsim.FaultGarbage, After: 3})
		inject(t, r.Org, orgsim.Fault{Kind: orgsim.FaultUnknownSchema, After: 6})
		stored := r.Org.Stored("Account")
		for i, e := range subscribe(t, r, earliest(accountChannel, 100)).events(10) {
			same := string(e.GetEvent().GetPayload()) == string(stored[i].Payload)
			if known := e.GetEvent().GetSchemaId() == string(stored[i].SchemaID); same != (i != 3) || known != (i != 6) || e.GetEvent().GetId() != stored[i].UUID {
				t.Errorf("event %d: same payload %v, known schema %v", i, same, known)
			}
		}
	})
}

func TestFault_Redeliver_ResumedCallRepeatsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		accounts(t, r.Org, 6)
		all := subscribe(t, r, earliest(accountChannel, 100)).events(6)
		inject(t, r.Org, orgsim.Fault{Kind: orgsim.FaultRedeliver, Events: 2})
		got := subscribe(t, r, after(accountChannel, all[3].GetReplayId(), 100)).events(4)
		if string(got[0].GetReplayId()) != string(all[2].GetReplayId()) {
			t.Errorf("starts at %x, want %x", got[0].GetReplayId(), all[2].GetReplayId())
		}
		subscribe(t, r, after(accountChannel, all[3].GetReplayId(), 100)).events(2)
	})
}

func TestFault_EveryAndAt_CountersAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		accounts(t, r.Org, 10)
		inject(t, r.Org, orgsim.Fault{Kind: orgsim.FaultStatus, After: 1, Every: 4, Count: -1, At: time.Hour})
		s := subscribe(t, r, earliest(accountChannel, 100))
		position := s.events(10)[0].GetReplayId()
		time.Sleep(time.Hour)
		for _, n := range []int{1, 4, 4} {
			s := subscribe(t, r, after(accountChannel, position, 100))
			position = s.events(n)[n-1].GetReplayId()
			if err := s.ended(); status.Code(err) != codes.Unavailable {
				t.Errorf("got %v", err)
			}
		}
		r.Org.Heal()
		if len(r.Org.Faults()) != 0 {
			t.Error("faults are left after Heal")
		}
	})
}

func TestFault_Reset_NeighbourStreamsOnTheConnectionGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		client := r.Client(t)
		open := func(channel string) *stream {
			s, err := client.Subscribe(r.Context(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Send(earliest(channel, 100)); err != nil {
				t.Fatal(err)
			}
			return &stream{t, s}
		}
		a, b := open(accountChannel), open("/data/ContactChangeEvent")
		synctest.Wait()
		inject(t, r.Org, orgsim.Fault{Kind: orgsim.FaultReset, Channel: accountChannel})
		if err := a.ended(); status.Code(err) != codes.Internal || len(a.Trailer()) != 0 {
			t.Errorf("got %v with trailer %v, want a bare reset", err, a.Trailer())
		}
		for i := range 300 {
			insert(t, r.Org, "Contact", vals{"LastName": orgsim.String(fmt.Sprint(i, strings.Repeat("x", 60)))})
		}
		b.events(100)
		b.ask(100)
		b.events(100)
		b.ask(100)
		b.events(100)
		accounts(t, r.Org, 1)
		open(accountChannel).events(1)
	})
}

func TestInject_Nonsense_Refused(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	for _, f := range []orgsim.Fault{
		{},
		{Kind: "nonsense"},
		{Kind: orgsim.FaultStall, On: "never"},
		{Kind: orgsim.FaultStall, On: orgsim.OnOpen},
		{Kind: orgsim.FaultStatus, Status: "NOT_A_STATUS"},
	} {
		if err := org.Inject(f); err == nil {
			t.Errorf("%+v was accepted", f)
		}
	}
}

func TestLoadFaults_File_AsWritten(t *testing.T) {
	faults, err := orgsim.LoadFaults(strings.NewReader(`
faults:
  - {kind: status, error_code: service.unavailable, channel: /data/AccountChangeEvent, after: 100, count: 3, every: 50}
  - {kind: stall, at: 30s, delay: 2m}
`))
	if err != nil || len(faults) != 2 || faults[0].Every != 50 || faults[0].On != orgsim.OnEvent || faults[1].Delay != 2*time.Minute {
		t.Errorf("got %+v, %v", faults, err)
	}
	for _, bad := range []string{"faults: [{kind: status, colour: red}]", "faults: [{kind: nope}]", "faults: 7", "other: 1", "faults: [{kind: stall, at: soon}]"} {
		if f, err := orgsim.LoadFaults(strings.NewReader(bad)); err == nil {
			t.Errorf("%s: accepted as %+v", bad, f)
		}
	}
}

func TestLoadObjects_File_MakesAnOrg(t *testing.T) {
	objects, channels, err := orgsim.LoadObjects(strings.NewReader(`
objects:
  - name: Invoice__c
    name_format: INV-{0000}
    fields:
      - {name: Number__c, type: string, length: 20, external_id: true, unique: true}
      - {name: Total__c, type: currency, scale: 2}
      - {name: State__c, type: picklist, restricted: true, picklist: [Open, {value: Paid, label: Paid up}]}
      - {name: Site__c, type: address}
  - {name: Alert__e, event: true, fields: [{name: Text__c, type: string}]}
channels:
  - {name: /data/Money__chn, members: [{object: Invoice__c, enriched: [State__c]}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	org := newOrg(t, orgsim.Config{Objects: append(orgsim.BuiltinObjects(), objects...), Channels: channels})
	id := insert(t, org, "Invoice__c", vals{"Number__c": orgsim.String("7"), "State__c": orgsim.String("Paid"), "Site__City__s": orgsim.String("Lyon")})
	if name := org.Get(id).Get("Name"); name != orgsim.String("INV-0001") {
		t.Errorf("Name = %v", name)
	}
	wantBody(t, lastEvent(t, org, "Invoice__c"), map[string]any{"Site__c.City": "Lyon", "State__c": "Paid"})
	for _, bad := range []string{
		"objects: [{name: X__c, fields: [{name: A__c, type: nope}]}]", "objects: [{name: X__c, size: 3}]", "objects: [{name: '9'}]",
		"objects: [{name: X__c, fields: [{name: A__c, type: reference}]}]", "objects: [{name: X__e}]",
		"objects: [{name: X__c, fields: [{name: A__c, type: string}, {name: a__C, type: string}]}]",
		"objects: [{name: X__c, fields: [{name: A__c, type: reference, reference_to: [Nobody]}]}]",
		"objects: [{name: X__c, key_prefix: a/b}]", "objects: [{name: X__c, fields: [{name: A__c, type: double, scale: 19}]}]",
		"objects: [{name: X__c, fields: [{name: A__c, type: double, scale: -1}]}]", "objects: [{name: X__c, fields: [{name: A__c, type: string, id: '\"'}]}]",
		"channels: [{name: /data/X, members: []}]", "channels: [{name: /data/X__chn, members: [{object: Nobody}]}]",
		"channels: [{name: /data/X__chn, members: [{object: Account, enriched: [Nope__c]}]}]",
	} {
		objects, channels, err := orgsim.LoadObjects(strings.NewReader(bad))
		if err == nil {
			var org *orgsim.Org
			if org, err = orgsim.New(orgsim.Config{Objects: append(orgsim.BuiltinObjects(), objects...), Channels: channels}); err == nil {
				org.Close()
				t.Errorf("%s: accepted", bad)
			}
		}
	}
}

func FuzzLoadObjects(f *testing.F) {
	f.Add("objects:\n  - name: Invoice__c\n    fields: [{name: A__c, type: currency, scale: 2, default: '1.5'}]\n")
	f.Add("objects: [{name: X__e, event: true, fields: [{name: P__c, type: picklist, picklist: [a, {value: b}]}]}]")
	f.Add("objects: [{name: Account, fields: [{name: L__c, type: location}, {name: Name, type: autonumber, format: 'A-{0}'}]}]")
	f.Fuzz(func(t *testing.T, text string) {
		objects, channels, err := orgsim.LoadObjects(strings.NewReader(text))
		if err != nil {
			return
		}
		org, err := orgsim.New(orgsim.Config{Objects: objects, Channels: channels})
		if err != nil {
			return
		}
		defer org.Close()
		for _, def := range org.Objects() {
			if _, schema, err := org.EventSchema(def.EventName()); err != nil || schema == "" {
				t.Errorf("object %s has no schema: %v", def.Name, err)
			}
		}
	})
}

func FuzzLoadFaults(f *testing.F) {
	f.Add("faults: [{kind: status, error_code: service.unavailable, after: 3}]")
	f.Add("faults: [{kind: stall, at: 30s, delay: 2m, count: -1}]")
	f.Fuzz(func(t *testing.T, text string) {
		faults, err := orgsim.LoadFaults(strings.NewReader(text))
		if err != nil {
			return
		}
		org := newOrg(t, orgsim.Config{})
		for _, fault := range faults {
			if err := org.Inject(fault); err != nil {
				t.Errorf("a fault that loads is refused: %v", err)
			}
		}
	})
}

func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"1", "-0.50", "1e10", "12.34e-3", ".5", "5."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := orgsim.Decimal(s)
		if err != nil {
			return
		}
		again, err := orgsim.Decimal(v.Text())
		if err != nil || again != v {
			t.Errorf("Decimal(%q) = %q, and of that %q, %v", s, v.Text(), again.Text(), err)
		}
	})
}
