package bridge

import (
	"fmt"
	"time"

	"sfbridge/schemas"
	"sfbridge/writeback"
	"sfbridge/writeback/rows"
)

// Writeback is one topic to carry into an object of an org.
type Writeback struct {
	Topic string
	Org   string
	Rows  rows.Config // object, operation, key and fields; Namespace is filled in by New

	Format       schemas.Format // default schemas.Auto
	Latest       bool           // where a group without offsets starts; default earliest
	Conflict     writeback.Conflict
	VersionField string // of the object, for Conflict
	ApplyEchoes  bool   // also apply records marked sf_echo
	NoResults    bool   // write no results

	BulkAbove int // rows that wait beyond which a bulk job is made; 0: the default, negative: never
	InFlight  int
	MaxWait   time.Duration
	Attempts  int

	AllowDuplicates bool   // save in spite of duplicate rules that only alert
	AutoAssign      string // FALSE, or the id of an assignment rule
}

// name tells the flow from others: in metrics, results, dead letters, and in the
// group and the topics that are made for it.
func (w *Writeback) name() string { return flowName(w.Topic, w.Org, w.Rows.Object) }

// Publish is one topic to carry out as a platform event.
type Publish struct {
	Topic string
	Org   string
	Event string // API name: Shipment__e

	Format         schemas.Format    // default schemas.Auto
	Latest         bool              // where a group without offsets starts; default earliest
	Fields         map[string]string // fields of the event to expressions; nil: by name
	IgnoreUnmapped bool
	ID             string // expression for the event's uuid
	NoResults      bool
}

func (p *Publish) name() string { return flowName(p.Topic, p.Org, p.Event) }

func flowName(topic, org, object string) string { return topic + "/" + org + "/" + object }

// validateOutbound checks what goes out of Kafka, by itself and against what
// comes in.
func (c *Config) validateOutbound() error {
	seen := make(map[string]string)
	for _, n := range c.flows() {
		switch _, known := c.Orgs[n.org]; {
		case n.topic == "" || n.object == "":
			return fmt.Errorf("%s %s: topic and object are both needed", n.kind, n.flow)
		case !known:
			return fmt.Errorf("%s %s: org %q is not configured", n.kind, n.flow, n.org)
		}
		// Names are put together with dots and hyphens, which may be part of them too.
		for _, name := range []string{n.flow, n.group, n.transactionalID(c.Name)(0)} {
			if other, ok := seen[name]; ok {
				return fmt.Errorf("%s %s and %s would have the same name %s in Kafka: name the org differently", n.kind, n.flow, other, name)
			}
			seen[name] = n.flow
		}
	}
	return nil
}
