package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"sfbridge/bridge"
	"sfbridge/internal/sandbox"
	"sfbridge/orgsim"
)

type demoCmd struct {
	For            time.Duration `help:"End by itself after this time; 0 runs until Ctrl-C."`
	JSON           bool          `name:"json" help:"Print one JSON object as the last line, and nothing else on standard output."`
	Rate           float64       `default:"40" help:"Changes a second that people make in the simulated org."`
	ERPRate        float64       `name:"erp-rate" default:"10" help:"Records a second that an ERP system writes to Kafka, to be written back into the org."`
	Dir            string        `type:"path" help:"Keep Kafka's and the registry's data here."`
	KafkaListen    string        `default:"127.0.0.1:0" help:"Address of the embedded Kafka."`
	RegistryListen string        `default:"127.0.0.1:0" help:"Address of the embedded Schema Registry."`
	OrgListen      string        `default:"127.0.0.1:0" help:"Address of the simulated org: login and REST."`
	PubsubListen   string        `default:"127.0.0.1:0" help:"Address of the simulated org: Pub/Sub API."`
	Listen         string        `default:"127.0.0.1:0" help:"Address of the bridge's /metrics, /readyz and /api/status."`
	Verbose        bool          `short:"v" help:"Show the bridge's log."`
}

func (demoCmd) Help() string {
	return `People change records in a simulated org, and an ERP system writes customers and orders to topics; the bridge carries the
first to Kafka and the second into the org. At the end the topics are read back, by another Kafka client than the one that
wrote them, and compared with what the org did and holds.

Example: sfbridge demo --for 20s --json
Example: sfbridge demo --kafka-listen 127.0.0.1:9092 --registry-listen 127.0.0.1:8081
         kcat -b 127.0.0.1:9092 -t sf.cdc.Account -s value=avro -r http://127.0.0.1:8081`
}

// summary is the demo's last line.
type summary struct {
	sandbox.Verdict
	sandbox.Written
	LatencyP50  float64 `json:"latency_p50_ms"` // org commit to a reader of the topic
	LatencyP99  float64 `json:"latency_p99_ms"`
	Seconds     float64 `json:"seconds"`
	DeadLetters int     `json:"dead_letters"`
}

// demo is a running demonstration.
type demo struct {
	cmd   *demoCmd
	io    streams
	log   *slog.Logger
	sb    *sandbox.Sandbox
	erp   *sandbox.ERP
	live  *liveReader
	began time.Time
}

// drainTime bounds how long the end waits for the last changes to arrive.
const drainTime = 20 * time.Second

func (c *demoCmd) Run(ctx context.Context, io streams) error {
	level := slog.LevelWarn
	if c.Verbose {
		level = slog.LevelInfo
	}
	d := &demo{cmd: c, io: io, log: slog.New(slog.NewTextHandler(io.err, &slog.HandlerOptions{Level: level}))}
	var err error
	d.sb, err = sandbox.Start(sandbox.Config{
		Org:       orgsim.Config{KeepLedger: -1, Logger: d.log},
		OrgListen: c.OrgListen, PubSubListen: c.PubsubListen, KafkaListen: c.KafkaListen, RegistryListen: c.RegistryListen,
		Dir: c.Dir, Logger: d.log,
	})
	if err != nil {
		return err
	}
	defer d.sb.Close()
	return d.run(ctx)
}

// demoCaptures are the channels that the demo carries.
func demoCaptures() []string {
	return []string{
		bridge.ChangeChannel("Account"), bridge.ChangeChannel("Contact"), bridge.ChangeChannel("Opportunity"),
		bridge.ChangeChannel("Order__c"), bridge.EventChannel("Shipment__e"),
	}
}

func captured(object string) bool {
	switch object {
	case "Account", "Contact", "Opportunity", "Order__c", "Shipment__e":
		return true
	}
	return false
}

func (d *demo) run(ctx context.Context) error {
	cfg := d.sb.Bridge("demo", demoCaptures()...)
	cfg.Logger, cfg.Listen, cfg.Writebacks = d.log, d.cmd.Listen, sandbox.Writebacks(sandbox.ERPPrefix)
	for i := range cfg.Captures { // an org that was made anew does not know the positions that --dir kept
		cfg.Captures[i].OnExpired = bridge.Earliest
	}
	b, err := bridge.New(cfg)
	if err != nil {
		return err
	}
	defer b.Close()
	before, err := d.before(ctx)
	if err != nil {
		return err
	}
	erp := sandbox.ERPConfig{Broker: d.sb.KafkaAddr, Prefix: sandbox.ERPPrefix, Seed: uint64(time.Now().UnixNano())}
	if d.erp, err = sandbox.NewERP(ctx, erp); err != nil {
		return err
	}
	defer d.erp.Close()
	bridgeCtx, stopBridge := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBridge()
	done := make(chan error, 1)
	go func() { done <- b.Run(bridgeCtx) }()
	if err := ready(ctx, b, done); err != nil {
		return err
	}
	d.began = time.Now()
	d.live, err = startLiveReader(d.sb.KafkaAddr)
	if err != nil {
		return err
	}
	defer d.live.close()
	d.announce(b)
	if err := d.work(ctx, done); err != nil {
		return err
	}
	d.drain(context.WithoutCancel(ctx), before)
	stopBridge()
	if err := <-done; err != nil {
		return fmt.Errorf("bridge: %w", err)
	}
	return d.report(context.WithoutCancel(ctx), before)
}

// ready waits for the bridge, so that the figures are of its work and not of
// its start.
func ready(ctx context.Context, b *bridge.Bridge, done <-chan error) error {
	for len(b.Problems()) > 0 {
		select {
		case <-ctx.Done():
			return nil
		case err := <-done:
			return fmt.Errorf("bridge: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// past is what --dir kept from an earlier demo. Its org is gone, so the
// comparison leaves these records out.
type past struct {
	seen              map[string]bool // by place
	changes, outcomes int
}

func (d *demo) before(ctx context.Context) (past, error) {
	p := past{seen: make(map[string]bool)}
	if d.cmd.Dir == "" {
		return p, nil
	}
	records, err := d.readBack(ctx)
	for _, r := range records {
		p.seen[place(r)] = true
		switch {
		case isOutcome(r):
			p.outcomes++
		case isChange(r):
			p.changes++
		}
	}
	return p, err
}

// readBack reads what the bridge and the ERP system wrote.
func (d *demo) readBack(ctx context.Context) ([]*kgo.Record, error) {
	var out []*kgo.Record
	for _, prefix := range []string{"sf.", sandbox.ERPPrefix} {
		records, err := sandbox.ReadBack(ctx, d.sb.KafkaAddr, prefix, nil)
		if err != nil {
			return nil, err
		}
		out = append(out, records...)
	}
	return out, nil
}

// work lets people work in the org, and the ERP system beside it, until the
// time is over, or ctx, or the bridge ends.
func (d *demo) work(ctx context.Context, bridgeDone <-chan error) error {
	if d.cmd.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.cmd.For)
		defer cancel()
	}
	workCtx, stop := context.WithCancel(ctx)
	defer stop()
	worked := make(chan error, 1)
	go func() { worked <- d.everybody(workCtx) }()
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			stop()
			<-worked
			return nil
		case err := <-worked:
			if ctx.Err() != nil {
				return nil
			}
			return err
		case err := <-bridgeDone:
			return fmt.Errorf("the bridge ended: %w", err)
		case <-tick.C:
			d.progress()
		}
	}
}

// everybody works until ctx ends.
func (d *demo) everybody(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if _, err := d.sb.Org.Work(ctx, orgsim.WorkConfig{Rate: d.cmd.Rate}); err != nil {
			return fmt.Errorf("people at work in the org: %w", err)
		}
		return nil
	})
	g.Go(func() error { return d.erp.Work(ctx, d.cmd.ERPRate) })
	return g.Wait()
}

func (d *demo) announce(b *bridge.Bridge) {
	if d.cmd.JSON {
		return
	}
	fmt.Fprintf(d.io.out, `sfbridge demo: people change records in a simulated org, the bridge carries each change to Kafka;
               an ERP system writes customers and orders to Kafka, the bridge writes them into the org
  Kafka     %s   out of the org: sf.cdc.Account, sf.cdc.Contact, sf.cdc.Opportunity, sf.cdc.Order__c, sf.event.Shipment__e
                              into the org: erp.customers, erp.orders; what became of each: sf.results, sf.dlq
  registry  %s
  org       %s   Pub/Sub API %s
  look at a topic:  kcat -b %s -t sf.cdc.Account -f '%%k %%h\n'      (docs/schemas.md: reading the values)
`, d.sb.KafkaAddr, d.sb.RegistryURL, d.sb.OrgURL, d.sb.PubSubAddr, d.sb.KafkaAddr)
	if d.cmd.For == 0 {
		fmt.Fprintln(d.io.out, "  Ctrl-C ends it and compares the topics with the org.")
	}
}

func (d *demo) progress() {
	if d.cmd.JSON {
		return
	}
	p50, p99 := d.live.latencies(d.sb.Org.Ledger().Since(0))
	fmt.Fprintf(d.io.out, "%5.0fs  %6d changes in the org  %6d records read from Kafka  latency p50 %.1f ms, p99 %.1f ms  %5d written back\n",
		time.Since(d.began).Seconds(), d.sb.Org.Ledger().Total(), d.live.count(), p50, p99, d.live.outcomes())
}

// drain waits until a reader has seen an outcome of each record of the ERP
// system, and then as many records as the org made changes.
func (d *demo) drain(ctx context.Context, before past) {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	d.live.waitFor(ctx, d.live.outcomes, before.outcomes+d.erp.Written())
	want := before.changes
	for _, e := range d.sb.Org.Ledger().Since(0) {
		if captured(e.Object) {
			want++
		}
	}
	d.live.waitFor(ctx, d.live.count, want)
}

// report reads the topics back and prints the verdict; anything lost or
// doubled is an error.
func (d *demo) report(ctx context.Context, before past) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	records, err := d.readBack(ctx)
	if err != nil {
		return err
	}
	fresh := records[:0]
	for _, r := range records {
		if !before.seen[place(r)] {
			fresh = append(fresh, r)
		}
	}
	ledger := d.sb.Org.Ledger().Since(0)
	s := summary{
		Verdict: sandbox.Audit(ledger, captured, "sf", fresh),
		Written: sandbox.AuditWritten(d.sb.Org, sandbox.ERPPrefix, "sf", fresh), Seconds: time.Since(d.began).Seconds(),
	}
	s.LatencyP50, s.LatencyP99 = d.live.latencies(ledger)
	for _, r := range fresh {
		if r.Topic == "sf.dlq" {
			s.DeadLetters++
		}
	}
	if err := d.print(&s); err != nil {
		return err
	}
	if !s.Clean() {
		return fmt.Errorf("the topics do not hold what the org did: %v", s.Verdict.Examples)
	}
	if s.Failed > 0 {
		return fmt.Errorf("the org does not hold what the ERP system wrote: %v", s.Written.Examples)
	}
	return nil
}

func (d *demo) print(s *summary) error {
	if d.cmd.JSON {
		return json.NewEncoder(d.io.out).Encode(s)
	}
	_, err := fmt.Fprintf(d.io.out, "\nread back: %d changes in the org, %d records in Kafka, %d lost, %d duplicates, "+
		"%d out of order; latency p50 %.1f ms, p99 %.1f ms\n"+
		"written back: %d records of the ERP system in the org, %d failed; %d changes came back, marked as echoes\n",
		s.ChangesMade, s.RecordsCommitted, s.Lost, s.Duplicates, s.Misordered, s.LatencyP50, s.LatencyP99,
		s.WrittenBack, s.Failed, s.Echoes)
	return err
}
