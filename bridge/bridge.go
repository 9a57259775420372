// Package bridge wires the clients together and owns the life of the program:
// it shares the channels out among processes, runs the inbound pipeline of
// each and the flows out of Kafka, and answers for their health.
//
// In comes a checked Config, out go records in Kafka and the pages of the
// listener. It knows every client and no protocol.
package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"sfbridge/internal/backoff"
	"sfbridge/kafka"
	"sfbridge/pubsub"
	"sfbridge/salesforce"
	"sfbridge/salesforce/auth"
	"sfbridge/salesforce/bulk"
	"sfbridge/schemas"
)

// Bridge is one process of a bridge. Several with the same configuration share
// the channels among them.
type Bridge struct {
	cfg      Config
	log      *slog.Logger
	registry *schemas.Registry
	kafka    *kafka.Client
	orgs     map[string]*org
	channels []*channel
	outbound []*outbound
	decoder  *schemas.Decoder
	echoes   *echoes // nil if nothing is both captured and written
	budget   *budget
	arenas   arenas
	metrics  *metrics
	health   *health
	gatherer *prometheus.Registry
	topics   sync.Map // names of data topics that are known to exist
	joined   atomic.Bool
	closers  []closer
	closed   sync.Once
	closeErr error
}

type closer struct {
	name  string
	close func() error
}

// org is one org with the clients that share its session.
type org struct {
	name    string
	cfg     OrgConfig
	session *auth.Session
	pubsub  *pubsub.Client
	rest    *salesforce.Client
	bulk    *bulk.Client
	codecs  *schemas.Cache
	orgID   atomic.Value // string, known after the first login
}

func (o *org) id() string { id, _ := o.orgID.Load().(string); return id }

// New builds the clients. It does not touch the network; Run and Check do.
func New(cfg Config) (*Bridge, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	b := &Bridge{
		cfg: cfg, log: cfg.Logger.With("component", "bridge"), orgs: make(map[string]*org),
		budget: newBudget(cfg.Memory), metrics: newMetrics(reg), gatherer: reg,
	}
	b.health = newHealth(b.metrics)
	if err := b.build(reg); err != nil {
		b.Close()
		return nil, err
	}
	for _, cp := range cfg.Captures {
		ch := &channel{
			capture: cp, org: b.orgs[cp.Org], lane: cfg.laneOf(cp),
			log: b.log.With("org", cp.Org, "channel", cp.Channel),
		}
		ch.state = ChannelStatus{Org: cp.Org, Channel: cp.Channel, Lane: ch.lane, State: stateWaiting, Since: time.Now()}
		b.channels = append(b.channels, ch)
	}
	reg.MustRegister(newLagCollector(b), newFlowCollector(b), upCollector{b})
	b.buildEchoes(reg)
	if err := b.buildOutbound(reg); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Bridge) build(reg prometheus.Registerer) (err error) {
	cfg := &b.cfg
	if cfg.Registry.Logger == nil {
		cfg.Registry.Logger = cfg.Logger
	}
	if b.registry, err = schemas.NewRegistry(cfg.Registry); err != nil {
		return fmt.Errorf("schema registry: %w", err)
	}
	kc := cfg.Kafka
	kc.ClientID, kc.Logger, kc.Registerer = "sfbridge-"+cfg.Name, cfg.Logger, reg
	if b.kafka, err = kafka.New(kc); err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	b.onClose("kafka client", b.kafka.Close)
	for name, oc := range cfg.Orgs {
		if err := b.buildOrg(name, oc, reg); err != nil {
			return fmt.Errorf("org %s: %w", name, err)
		}
	}
	return nil
}

func (b *Bridge) buildOrg(name string, oc OrgConfig, reg prometheus.Registerer) (err error) {
	reg = prometheus.WrapRegistererWith(prometheus.Labels{"org": name}, reg)
	log := b.cfg.Logger.With("org", name)
	o := &org{name: name, cfg: oc}
	ac := oc.Auth
	ac.Logger, ac.Registerer = log, reg
	if o.session, err = auth.New(ac); err != nil {
		return err
	}
	pc := oc.PubSub
	pc.Session, pc.Logger, pc.Registerer = o.session, log, reg
	if o.pubsub, err = pubsub.New(pc); err != nil {
		return err
	}
	b.onClose("pubsub client of "+name, o.pubsub.Close)
	rc := oc.REST
	rc.Session, rc.ClientName, rc.Logger, rc.Registerer = o.session, "sfbridge-"+b.cfg.Name, log, reg
	if rc.Attempts == 0 {
		rc.Attempts = 1 // the flows repeat writes themselves, and ask each time whether the records are still theirs
	}
	if o.rest, err = salesforce.New(rc); err != nil {
		return err
	}
	if o.bulk, err = bulk.New(bulk.Config{API: o.rest, Gzip: true, Logger: log}); err != nil {
		return err
	}
	o.codecs = schemas.NewCache(o.pubsub)
	b.orgs[name] = o
	return nil
}

func (b *Bridge) onClose(name string, f func() error) {
	b.closers = append(b.closers, closer{name, f})
}

// Close releases the clients, last made first. It is safe to call twice.
func (b *Bridge) Close() error {
	b.closed.Do(func() {
		for i := len(b.closers) - 1; i >= 0; i-- {
			if err := b.closers[i].close(); err != nil {
				b.closeErr = errors.Join(b.closeErr, fmt.Errorf("close %s: %w", b.closers[i].name, err))
			}
		}
	})
	return b.closeErr
}

// Run carries the channels and the flows until ctx ends, then leaves in order:
// stop pulling, commit what is in hand, leave the groups, close the listener. A nil error
// means that nothing was left behind. What is wrong at the start (a refused
// login, an unknown channel, a topic that does not fit) comes back as an error
// that names the thing and the remedy; what goes wrong later shows in Problems.
func (b *Bridge) Run(ctx context.Context) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end() // the listener ends last, so that the drain can be watched
	g, life := errgroup.WithContext(life)
	addr, err := b.listen(life, g)
	if err != nil {
		return err
	}
	work, stopWork := context.WithCancel(ctx)
	defer stopWork()
	stop := context.AfterFunc(life, stopWork) // a failed listener ends the work
	defer stop()
	runErr := b.within(work, func() error { return b.startAndWork(work, addr) })
	end()
	if err := g.Wait(); err != nil && runErr == nil {
		runErr = err
	}
	return runErr
}

// within runs f, and gives it ShutdownTimeout once ctx is done.
func (b *Bridge) within(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	t := time.NewTimer(b.cfg.ShutdownTimeout)
	defer t.Stop()
	select {
	case err := <-done:
		return err
	case <-t.C:
	}
	return b.leftBehind()
}

// leftBehind says what an end that came too soon leaves for the next start.
func (b *Bridge) leftBehind() error {
	events, records := 0, 0
	for _, ch := range b.channels {
		events += ch.snapshot().InHand
	}
	text := fmt.Sprintf("%d events in hand are not known to be committed; they are read again from the org", events)
	if len(b.outbound) > 0 {
		for _, o := range b.outbound {
			records += o.flow.Status().InFlight
		}
		text += fmt.Sprintf(", and %d records on their way to the org are not known to be settled; they are read again from Kafka",
			records)
	}
	return fmt.Errorf("not done within shutdown_timeout (%s): %s at the next start", b.cfg.ShutdownTimeout, text)
}

func (b *Bridge) startAndWork(ctx context.Context, addr string) error {
	if err := b.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	b.log.Info("started", "name", b.cfg.Name, "channels", len(b.channels), "lanes", b.cfg.Lanes,
		"flows", len(b.outbound), "listen", addr)
	return b.work(ctx)
}

// work carries the channels and the flows side by side.
func (b *Bridge) work(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if len(b.channels) > 0 {
		g.Go(func() error { return b.share(ctx) })
	} else {
		g.Go(func() error { b.watchMembers(ctx); return nil })
	}
	if b.echoes != nil {
		g.Go(func() error { return b.echoes.registry.Run(ctx) })
	}
	for _, o := range b.outbound {
		g.Go(func() error { return b.carry(ctx, o) })
	}
	return g.Wait()
}

// identity is what a process shows the others of its group.
type identity struct {
	Fingerprint string    `json:"fingerprint"`
	Host        string    `json:"host"`
	PID         int       `json:"pid"`
	Started     time.Time `json:"started"`
}

func (b *Bridge) identity() []byte {
	host, _ := os.Hostname()
	id, _ := json.Marshal(identity{b.cfg.Fingerprint, host, os.Getpid(), time.Now().UTC()})
	return id
}

// share takes part in the group and runs the lanes that it is given, generation
// after generation. Leaving, it finishes what is in hand before the others
// take over.
func (b *Bridge) share(ctx context.Context) error {
	group, err := b.kafka.JoinGroup(ctx, kafka.GroupConfig{
		Group: b.cfg.group(), Topic: b.cfg.assignmentTopic(), UserData: b.identity(),
		SessionTimeout: b.cfg.SessionTimeout,
	})
	if err != nil {
		return fmt.Errorf("join group %s: %w", b.cfg.group(), err)
	}
	defer group.Close()
	bo := retrying(200*time.Millisecond, 10*time.Second)
	for {
		gen, err := b.nextGeneration(ctx, group)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			b.health.part(partGroup, err)
			b.log.Warn("group not joined, trying again", "group", b.cfg.group(), "err", err)
			if bo.wait(ctx) != nil {
				return nil
			}
			continue
		}
		bo.reset()
		b.generation(ctx, gen)
	}
}

// nextGeneration waits for this process's share. While that takes long,
// readiness tells: a process that cannot reach the group carries nothing.
func (b *Bridge) nextGeneration(ctx context.Context, group *kafka.Group) (*kafka.Generation, error) {
	told := make(chan struct{})
	watch := time.AfterFunc(stalledAfter, func() {
		b.health.part(partGroup, fmt.Errorf("group %s has given this process no share for %s: see whether Kafka can be reached "+
			"and the other processes of this name answer", b.cfg.group(), stalledAfter))
		close(told)
	})
	gen, err := group.Next(ctx)
	if !watch.Stop() {
		<-told
	}
	return gen, err
}

// generation runs the lanes of one assignment until it ends.
func (b *Bridge) generation(ctx context.Context, gen *kafka.Generation) {
	b.health.part(partGroup, nil)
	b.health.part(partKafka, nil) // lanes tell if it is not so
	b.joined.Store(true)
	b.log.Info("assigned", "group", b.cfg.group(), "generation", gen.ID, "lanes", gen.Partitions)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var lanes sync.WaitGroup
	for _, id := range gen.Partitions {
		lanes.Go(func() { b.runLane(ctx, id) })
	}
	lanes.Go(func() { b.watchMembers(ctx) })
	select {
	case <-ctx.Done():
	case <-gen.Done:
	}
	cancel()
	lanes.Wait()
	if err := gen.Err(); errors.Is(err, kafka.ErrLost) {
		b.health.part(partGroup, fmt.Errorf("%w: Kafka was not reached for almost session_timeout (%s), so others may have "+
			"taken this process's lanes", err, b.cfg.SessionTimeout))
	}
}

// watchMembers looks now and then for a process of the same name with another
// configuration: two that started together can both pass the check at the
// start, and while the group shares out its lanes nobody can see the others.
// Readiness says so until one of them is gone.
func (b *Bridge) watchMembers(ctx context.Context) {
	told := false
	for wait := 5 * time.Second; ; wait = min(2*wait, 5*time.Minute) {
		err := b.checkMembers(ctx)
		other := new(permanentError)
		switch {
		case ctx.Err() != nil:
			return
		case errors.As(err, &other):
			b.health.part(partGroup, err)
			if !told {
				b.log.Error("another process has the same name and another configuration", "err", err)
			}
			told = true
		case err == nil && told:
			b.health.part(partGroup, nil)
			told = false
		}
		if backoff.Sleep(ctx, wait) != nil {
			return
		}
	}
}
