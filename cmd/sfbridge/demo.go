package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"sfbridge/bridge"
	"sfbridge/internal/sandbox"
	"sfbridge/orgsim"
)

type demoCmd struct {
	For            time.Duration `help:"End by itself after this time; 0 runs until Ctrl-C."`
	JSON           bool          `name:"json" help:"Print one JSON object as the last line, and nothing else on standard output."`
	Rate           float64       `default:"40" help:"Changes a second that people make in the simulated org."`
	Dir            string        `type:"path" help:"Keep Kafka's and the registry's data here."`
	KafkaListen    string        `default:"127.0.0.1:0" help:"Address of the embedded Kafka."`
	RegistryListen string        `default:"127.0.0.1:0" help:"Address of the embedded Schema Registry."`
	OrgListen      string        `default:"127.0.0.1:0" help:"Address of the simulated org: login and REST."`
	PubsubListen   string        `default:"127.0.0.1:0" help:"Address of the simulated org: Pub/Sub API."`
	Listen         string        `default:"127.0.0.1:0" help:"Address of the bridge's /metrics, /readyz and /api/status."`
	Verbose        bool          `short:"v" help:"Show the bridge's log."`
}

func (demoCmd) Help() string {
	return `At the end the topics are read back, by another Kafka client than the one that wrote them, and compared with what the org did.

Example: sfbridge demo --for 20s --json
Example: sfbridge demo --kafka-listen 127.0.0.1:9092 --registry-listen 127.0.0.1:8081
         kcat -b 127.0.0.1:9092 -t sf.cdc.Account -s value=avro -r http://127.0.0.1:8081`
}

// summary is the demo's last line.
type summary struct {
	sandbox.Verdict
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
	cfg.Logger, cfg.Listen = d.log, d.cmd.Listen
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

// before counts what --dir kept from an earlier demo: its org is gone, so the
// comparison leaves these records out.
func (d *demo) before(ctx context.Context) (map[string]bool, error) {
	if d.cmd.Dir == "" {
		return nil, nil
	}
	records, err := sandbox.ReadBack(ctx, d.sb.KafkaAddr, "sf.", nil)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(records))
	for _, r := range records {
		seen[place(r)] = true
	}
	return seen, nil
}

// work lets people work in the org until the time is over, or ctx, or the
// bridge ends.
func (d *demo) work(ctx context.Context, bridgeDone <-chan error) error {
	if d.cmd.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.cmd.For)
		defer cancel()
	}
	workCtx, stop := context.WithCancel(ctx)
	defer stop()
	worked := make(chan error, 1)
	go func() {
		_, err := d.sb.Org.Work(workCtx, orgsim.WorkConfig{Rate: d.cmd.Rate})
		worked <- err
	}()
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
			return fmt.Errorf("people at work in the org: %w", err)
		case err := <-bridgeDone:
			return fmt.Errorf("the bridge ended: %w", err)
		case <-tick.C:
			d.progress()
		}
	}
}

func (d *demo) announce(b *bridge.Bridge) {
	if d.cmd.JSON {
		return
	}
	fmt.Fprintf(d.io.out, `sfbridge demo: people change records in a simulated org, the bridge carries each change to Kafka
  Kafka     %s   topics sf.cdc.Account, sf.cdc.Contact, sf.cdc.Opportunity, sf.cdc.Order__c, sf.event.Shipment__e
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
	fmt.Fprintf(d.io.out, "%5.0fs  %6d changes in the org  %6d records read from Kafka  latency p50 %.1f ms, p99 %.1f ms\n",
		time.Since(d.began).Seconds(), d.sb.Org.Ledger().Total(), d.live.count(), p50, p99)
}

// drain waits until a reader has seen as many records as the org made changes.
func (d *demo) drain(ctx context.Context, before map[string]bool) {
	want := 0
	for _, e := range d.sb.Org.Ledger().Since(0) {
		if captured(e.Object) {
			want++
		}
	}
	want += len(before)
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	d.live.waitFor(ctx, want)
}

// report reads the topics back and prints the verdict; anything lost or
// doubled is an error.
func (d *demo) report(ctx context.Context, before map[string]bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	records, err := sandbox.ReadBack(ctx, d.sb.KafkaAddr, "sf.", nil)
	if err != nil {
		return err
	}
	fresh := records[:0]
	for _, r := range records {
		if !before[place(r)] {
			fresh = append(fresh, r)
		}
	}
	ledger := d.sb.Org.Ledger().Since(0)
	s := summary{Verdict: sandbox.Audit(ledger, captured, "sf", fresh), Seconds: time.Since(d.began).Seconds()}
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
		return fmt.Errorf("the topics do not hold what the org did: %v", s.Examples)
	}
	return nil
}

func (d *demo) print(s *summary) error {
	if d.cmd.JSON {
		return json.NewEncoder(d.io.out).Encode(s)
	}
	_, err := fmt.Fprintf(d.io.out, "\nread back: %d changes in the org, %d records in Kafka, %d lost, %d duplicates, "+
		"%d out of order; latency p50 %.1f ms, p99 %.1f ms\n", s.ChangesMade, s.RecordsCommitted, s.Lost, s.Duplicates,
		s.Misordered, s.LatencyP50, s.LatencyP99)
	return err
}
