package bridge

import (
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"
)

// Parts of the bridge that readiness and sfbridge_up name; an org's part is
// "org:" and its name, a flow's its kind and its name.
const (
	partKafka    = "kafka"
	partRegistry = "registry"
	partGroup    = "group"
	partChannel  = "channel:" // with org and channel behind it; not a part of sfbridge_up
)

func partOrg(name string) string { return "org:" + name }

// health holds what is wrong with each part, for /readyz and sfbridge_up.
type health struct {
	metrics *metrics
	mu      sync.Mutex // guards errs
	errs    map[string]error
}

func newHealth(m *metrics) *health { return &health{metrics: m, errs: make(map[string]error)} }

// part notes that a part works (nil) or why it does not.
func (h *health) part(name string, err error) {
	up := 1.0
	if err != nil {
		up = 0
	}
	h.metrics.up.WithLabelValues(name).Set(up)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.errs[name] = err
}

// orgUp sets sfbridge_up of an org: 1 while any of its channels streams here.
// Readiness looks at each channel instead, with patience for passing losses.
func (b *Bridge) orgUp(o *org) {
	up := 0.0
	for _, ch := range b.channels {
		if ch.org == o && ch.snapshot().State == stateStreaming {
			up = 1
			break
		}
	}
	b.metrics.up.WithLabelValues(partOrg(o.name)).Set(up)
}

// Problem is one reason for not being ready.
type Problem struct {
	Part   string `json:"part"`
	Reason string `json:"reason"`
}

// stalledAfter is how long a channel may be without its stream before
// readiness turns red: passing reconnections stay green.
const stalledAfter = 30 * time.Second

// Problems lists what keeps the bridge from being ready; empty means ready.
func (b *Bridge) Problems() []Problem {
	var ps []Problem
	b.health.mu.Lock()
	for part, err := range b.health.errs {
		if err != nil {
			ps = append(ps, Problem{part, err.Error()})
		}
	}
	b.health.mu.Unlock()
	if len(b.channels) > 0 && !b.joined.Load() {
		ps = append(ps, Problem{partGroup, "not a member of group " + b.cfg.group() + " yet"})
	}
	now := time.Now()
	for _, ch := range b.channels {
		if p, bad := b.channelProblem(ch.snapshot(), now); bad {
			ps = append(ps, p)
		}
	}
	for _, o := range b.outbound {
		part := o.names.part()
		told := slices.ContainsFunc(ps, func(p Problem) bool { return p.Part == part }) // while it starts
		if text := o.problem(now); text != "" && !told {
			ps = append(ps, Problem{part, text})
		}
	}
	sort.Slice(ps, func(i, j int) bool { return ps[i].Part < ps[j].Part })
	return ps
}

func (b *Bridge) channelProblem(s ChannelStatus, now time.Time) (Problem, bool) {
	if !s.Assigned {
		return Problem{}, false
	}
	part := partChannel + s.Org + s.Channel
	switch {
	case s.State == stateStopped:
		return Problem{part, "stopped: " + s.Reason}, true
	case s.State == stateWaiting || s.State == stateConnecting:
		return Problem{part, s.State}, true
	case s.State != stateStreaming && now.Sub(s.Since) > stalledAfter:
		return Problem{part, fmt.Sprintf("%s for %s: %s", s.State, now.Sub(s.Since).Round(time.Second), s.Reason)}, true
	case !s.PositionAt.IsZero() && now.Sub(s.PositionAt) > b.cfg.Retention*3/4:
		return Problem{part, fmt.Sprintf("the org forgets this channel's position in %s",
			(b.cfg.Retention - now.Sub(s.PositionAt)).Round(time.Minute))}, true
	}
	return Problem{}, false
}
