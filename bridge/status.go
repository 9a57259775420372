package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"golang.org/x/sync/errgroup"

	"sfbridge/event"
	"sfbridge/kafka"
)

// Status is what can be known of a bridge from Kafka and the orgs, whether or
// not a process of it runs.
type Status struct {
	Name        string           `json:"name"`
	At          time.Time        `json:"at"`
	Members     []MemberStatus   `json:"members"`
	Channels    []PositionStatus `json:"channels"`
	Flows       []FlowStatus     `json:"flows"`
	DeadLetters int64            `json:"dead_letters_at_most"` // offsets in the topic now, transaction markers included
	// DeadLettersOpen counts those that were not retried; nil if there are too many
	// offsets to read them all.
	DeadLettersOpen *int          `json:"dead_letters_open,omitempty"`
	Limits          []LimitStatus `json:"api_limits"`
	Problems        []string      `json:"problems,omitempty"` // sides that could not be asked
}

// MemberStatus is one running process.
type MemberStatus struct {
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Lanes   []int32   `json:"lanes"`
	Same    bool      `json:"same_configuration"`
}

// PositionStatus is the committed position of one channel.
type PositionStatus struct {
	Org             string         `json:"org"`
	Channel         string         `json:"channel"`
	Lane            int32          `json:"lane"`
	Known           bool           `json:"known"` // false: nothing was ever committed
	ReplayID        event.ReplayID `json:"replay_id,omitempty"`
	LastCommit      time.Time      `json:"last_commit,omitzero"` // Salesforce commit time of the last event
	PositionAt      time.Time      `json:"position_at,omitzero"` // when the position was received from the org
	WindowRemaining float64        `json:"window_remaining_seconds"`
	Events          int64          `json:"events"`
	Records         int64          `json:"records"`
}

// LimitStatus is one API limit of an org.
type LimitStatus struct {
	Org       string `json:"org"`
	Name      string `json:"name"`
	Max       int64  `json:"max"`
	Remaining int64  `json:"remaining"`
}

// limitsShown are the limits that the bridge lives by.
func (b *Bridge) limitsShown() []string {
	names := []string{"DailyApiRequests", "DailyDeliveredPlatformEvents"}
	if len(b.cfg.Writebacks) > 0 {
		names = append(names, "DailyBulkApiBatches") // ingest jobs of Bulk API 2.0 count as batches
	}
	if len(b.cfg.Publishes) > 0 {
		names = append(names, "HourlyPublishedPlatformEvents")
	}
	return names
}

// Status asks Kafka and the orgs. A side that does not answer is a line in
// Problems; Kafka not answering is an error, since all else lives there.
func (b *Bridge) Status(ctx context.Context) (*Status, error) {
	st := &Status{Name: b.cfg.Name, At: time.Now().UTC()}
	if err := b.kafka.Ping(ctx); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	if len(b.channels) > 0 {
		positions, err := b.positions(ctx)
		if err != nil {
			return nil, err
		}
		for _, ch := range b.channels {
			st.Channels = append(st.Channels, b.positionStatus(ch, positions, st.At))
		}
		b.statusMembers(ctx, st)
	}
	b.statusFlows(ctx, st)
	b.statusDeadLetters(ctx, st)
	for _, o := range b.orgs {
		b.statusLimits(ctx, o, st)
	}
	return st, nil
}

// positions reads the checkpoints of all lanes.
func (b *Bridge) positions(ctx context.Context) (map[string][]byte, error) {
	tables := make([]map[string][]byte, b.cfg.Lanes)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for lane := range b.cfg.Lanes {
		g.Go(func() (err error) {
			tables[lane], err = kafka.LoadTable(ctx, b.kafka, b.cfg.checkpointTopic(), lane)
			if err != nil {
				return fmt.Errorf("read %s/%d: %w (has a bridge named %q ever run here?)",
					b.cfg.checkpointTopic(), lane, err, b.cfg.Name)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	all := make(map[string][]byte)
	for _, table := range tables {
		maps.Copy(all, table)
	}
	return all, nil
}

func (b *Bridge) positionStatus(ch *channel, positions map[string][]byte, now time.Time) PositionStatus {
	s := PositionStatus{Org: ch.capture.Org, Channel: ch.capture.Channel, Lane: ch.lane}
	var pos event.Position
	raw, ok := positions[ch.capture.Org+ch.capture.Channel]
	if !ok || json.Unmarshal(raw, &pos) != nil {
		return s
	}
	s.Known, s.ReplayID, s.Events, s.Records = true, pos.ReplayID, pos.Events, pos.Records
	s.PositionAt = time.UnixMilli(pos.ReceivedAt).UTC()
	s.WindowRemaining = (b.cfg.Retention - now.Sub(s.PositionAt)).Seconds()
	if pos.CommitTimestamp > 0 {
		s.LastCommit = time.UnixMilli(pos.CommitTimestamp).UTC()
	}
	return s
}

func (b *Bridge) statusMembers(ctx context.Context, st *Status) {
	members, err := b.kafka.GroupMembers(ctx, b.cfg.group())
	if err != nil {
		st.Problems = append(st.Problems, fmt.Sprintf("group %s: %v", b.cfg.group(), err))
	}
	for _, m := range members {
		if b.joining(m) {
			st.Members = append(st.Members, MemberStatus{Host: m.Host, Lanes: m.Partitions, Same: true})
			continue
		}
		var id identity
		json.Unmarshal(m.UserData, &id)
		st.Members = append(st.Members, MemberStatus{
			Host: id.Host, PID: id.PID, Started: id.Started,
			Lanes: m.Partitions, Same: id.Fingerprint == b.cfg.Fingerprint,
		})
	}
}

func (b *Bridge) statusDeadLetters(ctx context.Context, st *Status) {
	topic := b.cfg.deadLetterTopic()
	n, err := b.kafka.Partitions(ctx, topic)
	for p := range n {
		var o kafka.Offsets
		if o, err = b.kafka.Offsets(ctx, topic, p); err != nil {
			break
		}
		st.DeadLetters += o.Stable - o.Start // transaction markers count too: an upper bound
	}
	if err == nil && st.DeadLetters <= countedLetters {
		var open []LetterInfo
		open, err = b.letters(ctx, &LetterFilter{State: LetterOpen})
		n := len(open)
		st.DeadLettersOpen = &n
	}
	if err != nil {
		st.Problems = append(st.Problems, fmt.Sprintf("topic %s: %v", topic, err))
	}
}

// countedLetters is how many offsets of the dead-letter topic are read to count
// the open ones.
const countedLetters = 20_000

func (b *Bridge) statusLimits(ctx context.Context, o *org, st *Status) {
	limits, err := o.rest.Limits(ctx)
	if err != nil {
		st.Problems = append(st.Problems, fmt.Sprintf("org %s: limits: %v", o.name, err))
		return
	}
	for _, name := range b.limitsShown() {
		if l, ok := limits[name]; ok {
			st.Limits = append(st.Limits, LimitStatus{Org: o.name, Name: name, Max: l.Max, Remaining: l.Remaining})
		}
	}
}
