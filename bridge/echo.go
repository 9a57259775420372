package bridge

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/event"
	"sfbridge/internal/flow"
	"sfbridge/kafka"
	"sfbridge/schemas"
	"sfbridge/writeback/echo"
)

// headerEcho marks a change that this bridge itself made.
const headerEcho = flow.HeaderEcho

var echoTrue = []byte("true")

// echoes recognises, among the events that come in, what this bridge's own
// write-back did. It is there when an object is both captured and written.
type echoes struct {
	announcer *echo.Announcer
	registry  *echo.Registry
	written   []writtenObject
	counted   *prometheus.CounterVec
}

// writtenObject is an object of an org that flows write.
type writtenObject struct{ org, object string }

// Outcomes of events that carry this bridge's change origin.
const (
	echoMarked       = "marked"
	echoDropped      = "dropped"
	echoNotAnnounced = "not_announced" // no announced write explains it, so it stays a change
)

// buildEchoes makes the recognition of echoes if a flow needs it; it calls
// nobody.
func (b *Bridge) buildEchoes(reg prometheus.Registerer) {
	if !b.cfg.hasEchoes() {
		return
	}
	topic, log := b.cfg.writesTopic(), b.cfg.Logger
	e := &echoes{
		announcer: echo.NewAnnouncer(echo.AnnouncerConfig{Kafka: b.kafka, Topic: topic, Logger: log, Registerer: reg}),
		registry: echo.NewRegistry(echo.RegistryConfig{
			Kafka: b.kafka, Topic: topic, Client: "sfbridge-" + b.cfg.Name, Logger: log, Registerer: reg,
		}),
		counted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_capture_echoes_total",
			Help: "Records of events that carry this bridge's change origin, by what became of them.",
		}, []string{"org", "channel", "outcome"}),
	}
	reg.MustRegister(e.counted)
	for i := range b.cfg.Writebacks {
		w := &b.cfg.Writebacks[i]
		e.written = append(e.written, writtenObject{w.Org, b.cfg.Orgs[w.Org].Namespace.Name(w.Rows.Object)})
	}
	b.onClose("announcements of writes", e.announcer.Close)
	b.echoes = e
}

// echoJudge judges the events of one channel. Nil judges none.
type echoJudge struct {
	*echo.Judge
	e            *echoes
	org, channel string
	drop         bool
}

// judge makes the judge of a channel's events.
func (e *echoes) judge(ch *channel) *echoJudge {
	if e == nil || !strings.HasPrefix(ch.capture.Channel, "/data/") {
		return nil
	}
	return &echoJudge{
		Judge: e.registry.Judge(ch.capture.Org), e: e,
		org: ch.capture.Org, channel: ch.capture.Channel, drop: ch.capture.DropEchoes,
	}
}

// begin begins a response.
func (j *echoJudge) begin() {
	if j != nil {
		j.Begin()
	}
}

// event tells whether a change event has this bridge's origin, so that its
// records have to be judged.
func (j *echoJudge) event(codec *schemas.Codec, payload []byte, h *event.Header) bool {
	if j == nil || !j.Own(h) {
		return false
	}
	j.Event(codec, payload, h)
	return true
}

// record judges one record of the event.
func (j *echoJudge) record(ctx context.Context, n *echoCount, h *event.Header, id string) (ok bool, err error) {
	if j.e.writes(j.org, h.EntityName) {
		ok, err = j.Echo(ctx, id)
	}
	n.j = j
	switch {
	case err != nil:
	case !ok:
		n.unannounced++
	case j.drop:
		n.dropped++
	default:
		n.marked++
	}
	return ok, err
}

// writes tells whether a flow writes an object: only then can a change be an
// echo.
func (e *echoes) writes(org, object string) bool {
	return slices.ContainsFunc(e.written, func(w writtenObject) bool {
		return w.org == org && strings.EqualFold(w.object, object)
	})
}

// echoCount counts what became of the records of a response that carry this
// bridge's origin.
type echoCount struct {
	j                            *echoJudge
	marked, dropped, unannounced int
}

func (n *echoCount) count() {
	if n.j == nil {
		return
	}
	for outcome, count := range map[string]int{
		echoMarked: n.marked, echoDropped: n.dropped, echoNotAnnounced: n.unannounced,
	} {
		n.j.e.counted.WithLabelValues(n.j.org, n.j.channel, outcome).Add(float64(count))
	}
}

// announcer is what a flow into an object announces its writes to: nil if
// nobody captures the object.
func (b *Bridge) announcer(org, object string) *echo.Announcer {
	if b.echoes == nil || !b.cfg.captures(org, object) {
		return nil
	}
	return b.echoes.announcer
}

// hasEchoes tells whether an object is both captured and written.
func (c *Config) hasEchoes() bool {
	for i := range c.Writebacks {
		w := &c.Writebacks[i]
		if c.captures(w.Org, c.Orgs[w.Org].Namespace.Name(w.Rows.Object)) {
			return true
		}
	}
	return false
}

// captures tells whether changes of an object may come in: a channel that
// carries several objects may carry any.
func (c *Config) captures(org, object string) bool {
	for _, cp := range c.Captures {
		if cp.Org != org || !strings.HasPrefix(cp.Channel, "/data/") {
			continue
		}
		if of := objectOfChannel(cp.Channel); of == "" || strings.EqualFold(of, object) {
			return true
		}
	}
	return false
}

func (c *Config) writesTopic() string { return "_sfbridge." + c.Name + ".writes" }

// What is kept of the announced writes: for as long as an event may come late,
// and no more than a start can read in a moment.
const (
	writesKept      = 6 * time.Hour
	writesKeptBytes = 256 << 20
)

// writesSpec is the topic that writes are announced in. It has one partition,
// since reading it to its end has to settle any event.
func (c *Config) writesSpec() kafka.TopicSpec {
	return kafka.TopicSpec{
		Name: c.writesTopic(), Partitions: 1, Replication: c.Topics.Replication,
		Configs: map[string]string{
			"cleanup.policy": "delete", "retention.ms": strconv.FormatInt(writesKept.Milliseconds(), 10),
			"retention.bytes": strconv.Itoa(writesKeptBytes), "segment.bytes": strconv.Itoa(writesKeptBytes / 8),
			"segment.ms": strconv.FormatInt((writesKept / 6).Milliseconds(), 10), "max.message.bytes": strconv.Itoa(1 << 20),
		},
	}
}
