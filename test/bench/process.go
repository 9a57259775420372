package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// process is a running part.
type process struct {
	cmd *exec.Cmd
	log *os.File
}

func (b *bench) spawn(name string, args ...string) (*process, error) {
	log, err := os.Create(filepath.Join(b.scratch, name+".log"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(b.binary, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{cmd, log}, nil
}

// stop ends the process in order.
func (p *process) stop() {
	p.cmd.Process.Signal(os.Interrupt)
	done := make(chan struct{})
	go func() { p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		p.cmd.Process.Kill()
		<-done
	}
	p.log.Close()
}

// peakRSS is the most memory that the process ever held, in bytes.
func (p *process) peakRSS() int64 { return p.status("VmHWM:") * 1024 }

func (p *process) status(key string) int64 {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n
		}
	}
	return 0
}

// cpu is the processor time used so far.
func (p *process) cpu() time.Duration { return cpuOf(p.cmd.Process.Pid) }

func cpuOf(pid int) time.Duration {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(data), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	sys, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+sys) * 10 * time.Millisecond // USER_HZ is 100
}

// pair is a simulated org and a bridge between it and the real Kafka.
type pair struct {
	sim, bridge *process
	prefix      string
	listen      string
	org         string // address of the org's login and REST
	started     time.Time
	readyAfter  time.Duration
}

func freeAddr() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer l.Close()
	return l.Addr().String()
}

const config = `name: %[1]s
orgs:
  main:
    login_url: http://%[2]s
    pubsub_endpoint: %[3]s
    pubsub_tls: false
    auth: {method: client-credentials, client_id: 3MVG9.simulated.connected.app, client_secret: simulated-client-secret}
kafka: {brokers: ["%[4]s"], topic_prefix: %[1]s, topics: {partitions: 4}}
schema_registry: {url: "%[5]s"}
%[6]slisten: %[7]s
log: {level: warn}
`

// startOrg starts a simulated org, and waits until it answers.
func (b *bench) startOrg(ctx context.Context, args ...string) (sim *process, web, bus string, err error) {
	web, bus = freeAddr(), freeAddr()
	if sim, err = b.spawn("sim", append([]string{"sim", "--listen", web, "--pubsub-listen", bus}, args...)...); err != nil {
		return nil, "", "", err
	}
	if err := until(ctx, 10*time.Second, func() bool { return get("http://"+web+"/services/data/") == http.StatusOK }); err != nil {
		sim.stop()
		return nil, "", "", fmt.Errorf("simulated org: %w", err)
	}
	return sim, web, bus, nil
}

// startPair starts both and waits until the bridge is ready. The flows are the
// sections capture and writeback of the bridge's file.
func (b *bench) startPair(ctx context.Context, flows string, simArgs ...string) (*pair, error) {
	p := &pair{prefix: fmt.Sprintf("bench%x", time.Now().UnixNano()), listen: freeAddr()}
	sim, web, bus, err := b.startOrg(ctx, simArgs...)
	if err != nil {
		return nil, err
	}
	p.sim, p.org = sim, web
	path := filepath.Join(b.scratch, p.prefix+".yaml")
	text := fmt.Sprintf(config, p.prefix, web, bus, b.kafka, b.registry, flows, p.listen)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.stop()
		return nil, err
	}
	p.started = time.Now()
	if p.bridge, err = b.spawn("bridge", "run", "-c", path); err != nil {
		p.stop()
		return nil, err
	}
	err = until(ctx, time.Minute, func() bool { return get("http://"+p.listen+"/readyz") == http.StatusOK })
	p.readyAfter = time.Since(p.started)
	if err != nil {
		log, _ := os.ReadFile(p.bridge.log.Name())
		p.stop()
		return nil, fmt.Errorf("bridge not ready: %w\n%s", err, log)
	}
	return p, nil
}

func (p *pair) stop() {
	if p.bridge != nil {
		p.bridge.stop()
	}
	p.sim.stop()
}

func get(url string) int {
	res, err := http.Get(url)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

func until(ctx context.Context, limit time.Duration, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s", limit)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// counter sums a metric of the bridge over its labels.
func (p *pair) counter(name string) float64 {
	res, err := http.Get("http://" + p.listen + "/metrics")
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	sum := 0.0
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		rest, ok := strings.CutPrefix(lines.Text(), name)
		if !ok || (rest[0] != '{' && rest[0] != ' ') {
			continue
		}
		v, _ := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		sum += v
	}
	return sum
}
