package writeback

import (
	"sfbridge/internal/flow"
)

// Status tells how the flow is doing in this process.
func (f *Flow) Status() flow.Status {
	st := flow.Status{
		Flow: f.cfg.Name, Kind: flow.KindWriteback, Topic: f.cfg.Consumer.Topic, Group: f.cfg.Consumer.Group,
		Org: f.cfg.Org, Object: f.cfg.Rows.Object, Partitions: f.partitions(),
	}
	f.state.Fill(&st)
	if c := f.current(); c != nil {
		st.InFlight = int(c.inFlight.Load())
	}
	return st
}

// Problem is why the flow is not well, "" if it is: a line of readiness.
func (f *Flow) Problem() string { return f.state.Problem(f.partitions()) }

func (f *Flow) current() *carrier {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.carrier
}

// partitions tells how far each partition of the present share is.
func (f *Flow) partitions() []flow.Partition {
	c := f.current()
	if c == nil {
		return nil
	}
	at := c.share.Positions()
	ps := make([]flow.Partition, 0, len(at))
	for _, p := range at {
		ps = append(ps, flow.Partition{
			Topic: p.Topic, Partition: p.Partition, Committed: p.Committed, End: max(p.Stable, p.Committed), Lag: p.Lag(), Oldest: p.Oldest,
		})
	}
	return ps
}
