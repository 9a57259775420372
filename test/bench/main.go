// Command bench measures a built sfbridge against a real Kafka, and writes
// what it found as a page: each figure with the goal that it is held against.
// scripts/bench.sh runs it.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

type options struct {
	binary, dir, only string
	events            int64
	rig               string // folder of the other clients
	kafka, registry   string
	repeat            int
	upserts           int // of the write measurement
	broker            int // its process, for its processor time
}

// row is one figure of the page.
type row struct{ what, goal, got, remark string }

type bench struct {
	options
	scratch string
	rows    []row
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/sfbridge", "the program to measure")
	flag.StringVar(&o.dir, "dir", "docs/benchmarks", "folder of the page")
	flag.StringVar(&o.only, "only", "rate,latency,step,idle,start,write", "what to measure")
	flag.StringVar(&o.rig, "rig", ".rig", "folder with the other clients")
	flag.Int64Var(&o.events, "events", 600_000, "events of the rate measurement")
	flag.IntVar(&o.repeat, "repeat", 3, "pairs of runs of the rate measurement")
	flag.IntVar(&o.upserts, "upserts", 100_000, "rows of the write measurement")
	flag.IntVar(&o.broker, "broker", 0, "process id of the broker")
	flag.Parse()
	o.kafka, o.registry = os.Getenv("SFBRIDGE_TEST_KAFKA"), os.Getenv("SFBRIDGE_TEST_REGISTRY")
	if o.kafka == "" || o.registry == "" {
		fmt.Fprintln(os.Stderr, "bench: SFBRIDGE_TEST_KAFKA and SFBRIDGE_TEST_REGISTRY are not set: run make bench")
		os.Exit(1)
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	scratch, err := os.MkdirTemp("", "sfbridge-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	b := &bench{options: o, scratch: scratch}
	for _, m := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"rate", b.rate}, {"latency", b.latency}, {"step", b.step}, {"idle", b.idle}, {"start", b.start}, {"write", b.write},
	} {
		if !strings.Contains(","+o.only+",", ","+m.name+",") {
			continue
		}
		fmt.Printf("measuring %s\n", m.name)
		if err := m.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return b.page()
}

func (b *bench) add(what, goal, got, remark string) {
	fmt.Printf("  %s: %s (goal: %s) %s\n", what, got, goal, remark)
	b.rows = append(b.rows, row{what, goal, got, remark})
}

// page makes the page docs/benchmarks/<date>.md.
func (b *bench) page() error {
	now := time.Now().UTC()
	var page bytes.Buffer
	fmt.Fprintf(&page, "# Measured on %s\n\n", now.Format("2006-01-02 15:04"))
	fmt.Fprintf(&page, "Commit %s; %s, %d processors, %s; Apache Kafka, the simulated org and the bridge as separate processes on "+
		"this one machine, over loopback. `make bench`. Ratios within a run count; absolute figures depend on the machine and "+
		"on what else it was doing.\n\n", commit(), cpuModel(), runtime.NumCPU(), runtime.Version())
	fmt.Fprintln(&page, "| what | goal | measured | remark |\n|---|---|---|---|")
	for _, r := range b.rows {
		fmt.Fprintf(&page, "| %s | %s | %s | %s |\n", r.what, r.goal, r.got, r.remark)
	}
	path := filepath.Join(b.dir, now.Format("2006-01-02-1504")+".md")
	fmt.Println("wrote", path)
	return os.WriteFile(path, page.Bytes(), 0o644)
}

func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func cpuModel() string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return runtime.GOARCH
}
