//go:build crash

// Package crash kills the bridge again and again while an org and an ERP system
// are at work, and then counts: every change must be in the topics, once, in
// order, and every record of the ERP system in the org, with one outcome.
package crash

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/internal/sandbox"
	"sfbridge/orgsim"
	"sfbridge/test/readers"
	"sfbridge/test/rig"
)

var (
	kills = flag.Int("n", 25, "how often the bridge is killed")
	seed  = flag.Uint64("seed", 0, "of everything random; 0 takes one from the clock")
)

// points are the named places at which a process ends itself with SIGKILL.
var points = []string{
	"after-decode", "inside-event", "before-commit", "after-produce", "after-commit",
	"writeback-before-call", "writeback-after-call", "writeback-before-settle",
}

// TestKills_NothingLostNothingDoubled kills the bridge at random moments and
// at named points, alone and with a second process beside it, while streams
// are cut and tokens are revoked.
func TestKills_NothingLostNothingDoubled(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d: run again with -args -n %d -seed %d", *seed, *kills, *seed)
	s := newScene(t, rig.Kafka(t), rand.New(rand.NewPCG(*seed, 7)))
	s.startWork(t)
	for n := range *kills {
		s.round(t, n)
	}
	s.stopWork(t)
	p := s.start(t, "")
	s.complete(t, 90*time.Second)
	p.stop(t)
	v := s.audit(t)
	t.Logf("%d kills: %d changes, %d records, %d lost, %d doubled, %d out of order", *kills, v.ChangesMade,
		v.RecordsCommitted, v.Lost, v.Duplicates, v.Misordered)
	if !v.Clean() || v.SetAside != 0 {
		t.Errorf("the topics do not hold what the org did: %+v\n%s", v, strings.Join(v.Examples, "\n"))
	}
	w := s.auditWritten(t)
	t.Logf("%d records of the ERP system written back, %d failed, %d echoes", w.WrittenBack, w.Failed, w.Echoes)
	if w.Failed != 0 || w.WrittenBack != s.erp.Written() || w.WrittenBack < 5*(*kills) {
		t.Errorf("the org does not hold the %d records of the ERP system: %+v\n%s", s.erp.Written(), w, strings.Join(w.Examples, "\n"))
	}
	if v.ChangesMade < 20*(*kills) {
		t.Errorf("only %d changes for %d kills: the org was not at work", v.ChangesMade, *kills)
	}
	s.compareJava(t)
}

// scene is an org at work, the servers, and what a process of the bridge needs.
type scene struct {
	sb     *sandbox.Sandbox
	erp    *sandbox.ERP
	rng    *rand.Rand
	binary string
	config string
	prefix string
	stop   context.CancelFunc
	worked chan error
}

func newScene(t *testing.T, kafkaAddr string, rng *rand.Rand) *scene {
	t.Helper()
	sb, err := sandbox.Start(sandbox.Config{
		Org:       orgsim.Config{KeepLedger: -1, Keepalive: 2 * time.Second, Seed: rng.Uint64(), VaryBatches: true},
		KafkaAddr: kafkaAddr, RegistryURL: rig.Registry(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sb.Close() })
	s := &scene{sb: sb, rng: rng, prefix: fmt.Sprintf("crash%x", rng.Uint32())}
	if s.erp, err = sandbox.NewERP(t.Context(), sandbox.ERPConfig{Broker: kafkaAddr, Prefix: s.prefix + ".erp.", Seed: rng.Uint64()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.erp.Close)
	dir := t.TempDir()
	s.binary = filepath.Join(dir, "sfbridge")
	build := exec.Command("go", "build", "-tags", "crashpoints", "-o", s.binary, "sfbridge/cmd/sfbridge")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	s.config = filepath.Join(dir, "bridge.yaml")
	key := filepath.Join(dir, "key.pem")
	write(t, key, string(sb.PrivateKey()))
	write(t, s.config, fmt.Sprintf(configText, s.prefix, sb.OrgURL, sb.Org.APIVersion(), sb.PubSubAddr, sandbox.ClientID,
		sb.Org.Username(), key, kafkaAddr, s.prefix, sb.RegistryURL, s.prefix))
	return s
}

const configText = `name: %s
orgs:
  main:
    login_url: %s
    api_version: "%s"
    pubsub_endpoint: %s
    pubsub_tls: false
    auth: {method: jwt-bearer, client_id: %s, username: %s, private_key_file: %s}
kafka: {brokers: ["%s"], topic_prefix: %s, lanes: 3, session_timeout: 1s}
schema_registry: {url: "%s"}
capture:
  - {org: main, objects: [Account, Contact, Opportunity, Order__c], from: earliest}
  - {org: main, events: [Shipment__e], from: earliest}
writeback:
  - topic: %[9]s.erp.customers
    org: main
    object: Account
    external_id: ERP_Id__c
    fields:
      ERP_Id__c: id
      Name: name
      Phone: phone
      BillingStreet: address.street
      BillingCity: address.city
      Score__c: score
      Active__c: active
  - topic: %[9]s.erp.orders
    org: main
    object: Order__c
    external_id: ERP_Id__c
    bulk_above: 50
    fields:
      ERP_Id__c: number
      Account__r.ERP_Id__c: customer
      Status__c: status
      Total__c: total
      Quantity__c: quantity
      Due__c: due
listen: ""
`

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *scene) startWork(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s.stop, s.worked = cancel, make(chan error, 2)
	seed := s.rng.Uint64()
	go func() {
		_, err := s.sb.Org.Work(ctx, orgsim.WorkConfig{Rate: 150, Seed: seed})
		s.worked <- err
	}()
	go func() { s.worked <- s.erp.Work(ctx, 40) }()
}

func (s *scene) stopWork(t *testing.T) {
	s.stop()
	for range 2 {
		if err := <-s.worked; err != nil {
			t.Error(err)
		}
	}
}

// round is one life of a process, and its end.
func (s *scene) round(t *testing.T, n int) {
	point := ""
	if s.rng.IntN(2) == 0 {
		point = fmt.Sprintf("%s:%d", points[s.rng.IntN(len(points))], 1+s.rng.IntN(12))
	}
	p := s.start(t, point)
	switch s.rng.IntN(5) {
	case 0: // two processes share the channels; one dies
		q := s.start(t, "")
		defer q.kill()
		time.Sleep(time.Duration(500+s.rng.IntN(2500)) * time.Millisecond)
	case 1: // a process that sleeps while another takes its channels, and then goes on
		time.Sleep(time.Duration(1000+s.rng.IntN(1500)) * time.Millisecond)
		p.signal(syscall.SIGSTOP)
		q := s.start(t, "")
		defer q.kill()
		time.Sleep(3 * time.Second)
		p.signal(syscall.SIGCONT)
	case 2:
		time.Sleep(time.Duration(500+s.rng.IntN(1000)) * time.Millisecond)
		s.sb.Org.RevokeAll(true)
	case 3:
		time.Sleep(time.Duration(500+s.rng.IntN(1000)) * time.Millisecond)
		s.cutStreams(t)
	}
	wait := time.Duration(300+s.rng.IntN(2200)) * time.Millisecond
	if point != "" {
		wait = 8 * time.Second // it ends by itself, if it comes by that point often enough
	}
	p.waitOrKill(wait)
	if testing.Verbose() {
		t.Logf("kill %d at %q", n+1, point)
	}
}

// process is one running bridge.
type process struct {
	cmd  *exec.Cmd
	log  *strings.Builder
	done chan error
}

func (s *scene) start(t *testing.T, point string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(s.binary, "run", "-c", s.config), log: new(strings.Builder), done: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), "SFBRIDGE_CRASHPOINT="+point)
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(p.kill)
	return p
}

func (p *process) signal(sig syscall.Signal) { p.cmd.Process.Signal(sig) }

func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	p.signal(syscall.SIGCONT)
	select {
	case err := <-p.done:
		p.done <- err
	case <-time.After(10 * time.Second):
	}
}

func (p *process) waitOrKill(d time.Duration) {
	select {
	case err := <-p.done:
		p.done <- err
	case <-time.After(d):
	}
	p.kill()
}

// stop ends a process in order; it must leave nothing behind.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case err := <-p.done:
		p.done <- err
		if err != nil {
			t.Errorf("bridge ended with %v\n%s", err, p.log)
		}
	case <-time.After(30 * time.Second):
		t.Errorf("bridge did not end within 30 s of SIGTERM\n%s", p.log)
	}
}

func captured(object string) bool {
	switch object {
	case "Account", "Contact", "Opportunity", "Order__c", "Shipment__e":
		return true
	}
	return false
}

func (s *scene) readBack(t *testing.T) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	records, err := sandbox.ReadBack(ctx, s.sb.KafkaAddr, s.prefix+".", nil)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func (s *scene) audit(t *testing.T) sandbox.Verdict {
	t.Helper()
	return sandbox.Audit(s.sb.Org.Ledger().Since(0), captured, s.prefix, s.readBack(t))
}

func (s *scene) auditWritten(t *testing.T) sandbox.Written {
	t.Helper()
	return sandbox.AuditWritten(s.sb.Org, s.prefix+".erp.", s.prefix, s.readBack(t))
}

// complete waits until nothing is missing any more.
func (s *scene) complete(t *testing.T, limit time.Duration) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		if w := s.auditWritten(t); w.WrittenBack < s.erp.Written() {
			continue
		}
		if v := s.audit(t); v.Lost == 0 {
			return
		}
	}
}

// compareJava counts the records of one topic with the Java client.
func (s *scene) compareJava(t *testing.T) {
	t.Helper()
	topic := s.prefix + ".cdc.Account"
	want := 0
	for _, e := range s.sb.Org.Ledger().Since(0) {
		if e.Object == "Account" {
			want++
		}
	}
	if rows := readers.Java(t, s.sb.KafkaAddr, s.sb.RegistryURL, topic); len(rows) != want {
		t.Errorf("the Java client reads %d records of %s, the org made %d changes", len(rows), topic, want)
	}
}

// cutStreams ends subscriptions in one of the ways that were seen live.
func (s *scene) cutStreams(t *testing.T) {
	t.Helper()
	kinds := []orgsim.FaultKind{orgsim.FaultDisconnect, orgsim.FaultReset, orgsim.FaultGoAway, orgsim.FaultEnd}
	for range 3 {
		f := orgsim.Fault{Kind: kinds[s.rng.IntN(len(kinds))]}
		if err := s.sb.Org.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
}
