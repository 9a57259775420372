package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/kafka"
)

const oneChannel = "capture:\n  - {org: main, objects: [Account], from: earliest}\n"

// rate compares what the bridge commits a second with what the same producer
// commits when the same records come from memory, in pairs of runs.
func (b *bench) rate(ctx context.Context) error {
	var ratios, bridged, produced []float64
	var rss int64
	cost := make(map[string][]float64) // microseconds of processor time an event, by process
	for range b.repeat {
		got, records, peak, err := b.bridgeRate(ctx, cost)
		if err != nil {
			return err
		}
		from, err := b.memoryRate(ctx, records, cost)
		if err != nil {
			return err
		}
		fmt.Printf("  bridge %.0f/s, from memory %.0f/s\n", got, from)
		ratios, bridged, produced = append(ratios, got/from), append(bridged, got), append(produced, from)
		rss = max(rss, peak)
	}
	b.add("captured events a second (500 bytes, exactly once, 4 partitions), as part of what the producer commits from memory",
		"at least 0.6", fmt.Sprintf("%.2f", median(ratios)),
		fmt.Sprintf("%.0f/s against %.0f/s; medians of %d pairs, ratios %.2f", median(bridged), median(produced), b.repeat, ratios))
	b.add("processor time an event while doing so", "-", fmt.Sprintf("bridge %.1f µs, simulated org %.1f µs, broker %.1f µs",
		median(cost["bridge"]), median(cost["org"]), median(cost["broker"])),
		fmt.Sprintf("from memory: producer %.1f µs, broker %.1f µs; three processes at this cost cannot carry more than %.0f/s on "+
			"%d processors, which is what bounds the ratio here", median(cost["producer"]), median(cost["broker alone"]),
			float64(runtime.NumCPU())*1e6/(median(cost["bridge"])+median(cost["org"])+median(cost["broker"])), runtime.NumCPU()))
	b.add("resident memory at full rate, one channel", "at most 80 MiB", fmt.Sprintf("%.0f MiB", float64(rss)/(1<<20)), "peak (VmHWM)")
	return nil
}

// bridgeRate runs the bridge over prepared events; it returns the rate between
// the first and the last tenth, and some of the records for the comparison.
func (b *bench) bridgeRate(ctx context.Context, cost map[string][]float64) (perSecond float64, sample []kafka.Record, rss int64, err error) {
	p, err := b.startPair(ctx, oneChannel, "--prepared", fmt.Sprintf("/data/AccountChangeEvent=%dx500", b.events))
	if err != nil {
		return 0, nil, 0, err
	}
	defer p.stop()
	const metric = "sfbridge_capture_events_total"
	seen := func(part float64) func() bool {
		return func() bool { return p.counter(metric) >= part*float64(b.events) }
	}
	if err := until(ctx, 2*time.Minute, seen(0.1)); err != nil {
		return 0, nil, 0, err
	}
	from, n := time.Now(), p.counter(metric)
	bridgeCPU, simCPU, brokerCPU := p.bridge.cpu(), p.sim.cpu(), cpuOf(b.broker)
	if err := until(ctx, 5*time.Minute, seen(0.9)); err != nil {
		return 0, nil, 0, fmt.Errorf("%.0f of %d events: %w", p.counter(metric), b.events, err)
	}
	done := p.counter(metric) - n
	perSecond = done / time.Since(from).Seconds()
	note := func(who string, d time.Duration) { cost[who] = append(cost[who], float64(d.Microseconds())/done) }
	note("bridge", p.bridge.cpu()-bridgeCPU)
	note("org", p.sim.cpu()-simCPU)
	note("broker", cpuOf(b.broker)-brokerCPU)
	rss = p.bridge.peakRSS()
	sample, err = b.sample(ctx, p.prefix+".cdc.Account", 20_000)
	return perSecond, sample, rss, err
}

// sample reads records as the bridge wrote them.
func (b *bench) sample(ctx context.Context, topic string, n int) ([]kafka.Record, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(b.kafka), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var out []kafka.Record
	for len(out) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			rec := kafka.Record{Partition: kafka.AnyPartition, Key: r.Key, Value: r.Value, Time: r.Timestamp}
			for _, h := range r.Headers {
				rec.Headers = append(rec.Headers, kafka.Header{Key: h.Key, Value: h.Value})
			}
			out = append(out, rec)
		})
	}
	return out[:n], nil
}

// transactionBytes is what the bridge's transactions hold at most.
const transactionBytes = 4 << 20

// memoryRate commits as many records from memory, in transactions of the size
// that the bridge's have at full rate.
func (b *bench) memoryRate(ctx context.Context, records []kafka.Record, cost map[string][]float64) (perSecond float64, err error) {
	client, err := kafka.New(kafka.Config{Brokers: []string{b.kafka}})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	topic := fmt.Sprintf("benchmem%x", time.Now().UnixNano())
	if _, err := client.EnsureTopic(ctx, kafka.TopicSpec{Name: topic, Partitions: 4, Replication: -1}); err != nil {
		return 0, err
	}
	producer, err := client.NewProducer(ctx, kafka.ProducerConfig{TransactionalID: topic})
	if err != nil {
		return 0, err
	}
	defer producer.Close()
	size := 0
	for i := range records {
		records[i].Topic = topic
		size += len(records[i].Value) + len(records[i].Key) + 64*len(records[i].Headers) + 128
	}
	batch := min(len(records), transactionBytes/(size/len(records)))
	began, sent := time.Now(), int64(0)
	own, broker := cpuOf(os.Getpid()), cpuOf(b.broker)
	for at := 0; sent < b.events; at = (at + batch) % (len(records) - batch + 1) {
		if err := producer.Commit(ctx, records[at:at+batch]); err != nil {
			return 0, err
		}
		sent += int64(batch)
	}
	took := time.Since(began)
	cost["producer"] = append(cost["producer"], float64((cpuOf(os.Getpid())-own).Microseconds())/float64(sent))
	cost["broker alone"] = append(cost["broker alone"], float64((cpuOf(b.broker)-broker).Microseconds())/float64(sent))
	return float64(sent) / took.Seconds(), nil
}

// latency reads the topic as a consumer would while 1,000 events a second
// come. Prepared events carry the millisecond at which they went out.
func (b *bench) latency(ctx context.Context) error {
	p, err := b.startPair(ctx, oneChannel, "--prepared", "/data/AccountChangeEvent=60000x500@1000")
	if err != nil {
		return err
	}
	defer p.stop()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.kafka), kgo.ConsumeTopics(p.prefix+".cdc.Account"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(time.Second), kgo.FetchMinBytes(1),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
	if err != nil {
		return err
	}
	defer client.Close()
	var all []float64
	const warmUp = 5 * time.Second // of a broker that has just made the topic
	for began := time.Now(); len(all) < 20_000 && time.Since(began) < time.Minute; {
		fetches := client.PollFetches(ctx)
		now := time.Now()
		if now.Sub(began) < warmUp {
			continue
		}
		fetches.EachRecord(func(r *kgo.Record) { all = append(all, float64(now.Sub(r.Timestamp).Microseconds())/1000) })
	}
	if len(all) < 10_000 {
		return fmt.Errorf("only %d events in a minute", len(all))
	}
	slices.Sort(all)
	b.add("Salesforce commit to a read-committed consumer, 1,000 events/s", "p50 at most 5 ms, p99 at most 15 ms",
		fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", all[len(all)/2], all[len(all)*99/100]),
		fmt.Sprintf("%d events after 5 s; includes the consumer's fetch; stamps have whole milliseconds", len(all)))
	return nil
}

// step is the inbound step without I/O, by Go's own benchmark.
func (b *bench) step(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "InboundStep", "-benchtime", "2s", "./bridge")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		m := regexp.MustCompile(`^BenchmarkInboundStep\S*\s+\d+.*?([\d.]+) allocs/event.*?([\d.]+) ns/event`).FindStringSubmatch(line)
		if m != nil {
			b.add("what the bridge adds per event, without I/O", "at most 2,000 ns and 10 allocations",
				m[2]+" ns, "+m[1]+" allocations", "go test -bench InboundStep ./bridge")
			return nil
		}
	}
	return fmt.Errorf("no result in\n%s", out)
}

// idle holds a thousand quiet subscriptions for a while.
func (b *bench) idle(ctx context.Context) error {
	const n = 1000
	var objects, capture strings.Builder
	objects.WriteString("channels:\n")
	capture.WriteString("capture:\n  - org: main\n    channels:\n")
	for i := range n {
		fmt.Fprintf(&objects, "  - {name: /data/Quiet%d__chn, members: [{object: Account}]}\n", i)
		fmt.Fprintf(&capture, "      - /data/Quiet%d__chn\n", i)
	}
	file := filepath.Join(b.scratch, "objects.yaml")
	if err := os.WriteFile(file, []byte(objects.String()), 0o600); err != nil {
		return err
	}
	p, err := b.startPair(ctx, capture.String(), "--objects", file)
	if err != nil {
		return err
	}
	defer p.stop()
	time.Sleep(5 * time.Second)
	before := p.bridge.cpu()
	const span = 70 * time.Second // a keepalive of each falls into it
	time.Sleep(span)
	part := (p.bridge.cpu() - before).Seconds() / span.Seconds()
	b.add("1,000 idle subscriptions in one process", "at most 1 GiB, under 5 % of one core",
		fmt.Sprintf("%.0f MiB, %.1f %%", float64(p.bridge.peakRSS())/(1<<20), 100*part),
		fmt.Sprintf("peak memory; processor time over %s; ready after %.1f s", span, p.readyAfter.Seconds()))
	return nil
}

// start measures from the start of the process to readiness, and the file.
func (b *bench) start(ctx context.Context) error {
	var took []float64
	for range 5 {
		p, err := b.startPair(ctx, oneChannel)
		if err != nil {
			return err
		}
		took = append(took, p.readyAfter.Seconds())
		p.stop()
	}
	b.add("start to ready on an up cluster", "at most 1 s", fmt.Sprintf("%.2f s", median(took)), "median of 5; topics are created in it")
	info, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	b.add("the program, one static file", "at most 60 MB", fmt.Sprintf("%.1f MB", float64(info.Size())/1e6), "")
	return nil
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
