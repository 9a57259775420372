package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sfbridge/bridge"
	"sfbridge/salesforce"
)

// Where a channel without a position starts, and what happens when the org no
// longer accepts a position.
const (
	Latest   = "latest"
	Earliest = "earliest"
	Stop     = "stop"
)

// Capture names channels of one org to carry into Kafka.
type Capture struct {
	Org             string
	Objects         []string // sObjects, by their change events
	Events          []string // platform events
	Channels        []string // channels by their full name
	From            string   // Latest or Earliest
	OnReplayExpired string   // Stop, Earliest or Latest
	KeyField        string   // of events; empty: the event's uuid is the key
	Echoes          string   // Mark or Drop
}

// What becomes of changes that the bridge itself made.
const (
	Mark = "mark"
	Drop = "drop"
)

// ChannelNames gives the full name of each channel, in the order of the file:
// objects, events, channels. Objects and events get the org's namespace.
func (c Capture) ChannelNames(ns salesforce.Namespace) []string {
	var names []string
	for _, o := range c.Objects {
		names = append(names, bridge.ChangeChannel(ns.Name(o)))
	}
	for _, e := range c.Events {
		names = append(names, bridge.EventChannel(ns.Name(e)))
	}
	return append(names, c.Channels...)
}

func (c *Capture) keys() []key {
	return []key{
		{name: "org", to: &c.Org, required: true, example: "main", doc: "Name of an org under `orgs`."},
		{
			name: "objects", to: &c.Objects, valid: objectName, example: "[Account, Contact, Order__c]",
			doc: "sObjects whose changes are captured, by API name. Each goes to `<prefix>.cdc.<Object>`. Change Data Capture must be on for them in the org.",
		},
		{
			name: "events", to: &c.Events, valid: eventName, example: "[Shipment__e]",
			doc: "Platform events, by API name. Each goes to `<prefix>.event.<Name>`.",
		},
		{
			name: "channels", to: &c.Channels, valid: channelName, example: "[/data/Sales__chn]",
			doc: "Channels by their full name, for channels that carry several objects or events: `/data/ChangeEvents`, `/data/<Name>__chn`, `/event/<Name>__chn`.",
		},
		{
			name: "from", to: &c.From, def: Latest, oneOf: []string{Latest, Earliest}, example: Earliest,
			doc: "Where a channel starts that has no position yet: with what happens from now on, or with the oldest event that the org still keeps (72 hours).",
		},
		{
			name: "on_replay_expired", to: &c.OnReplayExpired, def: Stop, oneOf: []string{Stop, Earliest, Latest}, example: Earliest,
			doc: "What happens when the org no longer keeps the event after the stored position, because the bridge was away for too long. `stop` stops that channel and waits for a person; the others go on with a hole, which is logged and counted.",
		},
		{
			name: "key_field", to: &c.KeyField, valid: fieldName, example: "Order_Number__c",
			doc: "Field of the platform events that becomes the record key, so that events with the same value stay in order; else the key is the event's uuid. With `events` only.",
		},
		{
			name: "echoes", to: &c.Echoes, def: Mark, oneOf: []string{Mark, Drop}, example: Drop,
			doc: "What becomes of changes that this bridge itself made by `writeback`: they are marked with the header `sf_echo`, or left out ([echoes](echoes.md)).",
		},
	}
}

// checkOrg looks whether the org that a part names is there.
func (c *Config) checkOrg(org string, in scope) {
	if _, ok := c.Orgs[org]; !ok && len(c.Orgs) > 0 && in.given("org") && !in.d.failed("orgs."+org) {
		in.fail("org", "is not under orgs", choose(org, slices.Sorted(maps.Keys(c.Orgs))))
	}
}

// namespace is that of an org, "" for one that is not there.
func (c *Config) namespace(org string) salesforce.Namespace {
	return salesforce.Namespace(c.Orgs[org].Namespace)
}

// channelSeen is where a channel was named first.
type channelSeen struct{ org, channel string }

func (c *Config) checkCapture(at scope) {
	seen := make(map[channelSeen]scope)
	for i := range c.Capture {
		cp, in := &c.Capture[i], at.index(i)
		c.checkOrg(cp.Org, in)
		if !in.given("objects") && !in.given("events") && !in.given("channels") {
			in.fail("", "captures nothing", "give objects, events or channels")
		}
		if in.given("key_field") && (len(cp.Objects) > 0 || len(cp.Channels) > 0) {
			in.fail("key_field", "is for events only: changes of objects are keyed by record id",
				"move events into an entry of their own, with key_field")
		}
		cp.checkTwice(in, c.namespace(cp.Org), seen)
	}
	c.warnOverlap(at, seen)
}

// checkTwice finds channels that one org is asked for more than once, be it
// as an object and as the channel of that object.
func (c *Capture) checkTwice(at scope, ns salesforce.Namespace, seen map[channelSeen]scope) {
	once := func(name string, where scope) {
		id := channelSeen{c.Org, name}
		if first, ok := seen[id]; ok {
			where.fail("", fmt.Sprintf("names %s of org %s again", name, c.Org),
				fmt.Sprintf("remove it; line %d has it", first.line()))
			return
		}
		seen[id] = where
	}
	for i, o := range c.Objects {
		once(bridge.ChangeChannel(ns.Name(o)), at.in("objects").index(i))
	}
	for i, e := range c.Events {
		once(bridge.EventChannel(ns.Name(e)), at.in("events").index(i))
	}
	for i, ch := range c.Channels {
		once(ch, at.in("channels").index(i))
	}
}

// warnOverlap tells of objects that /data/ChangeEvents carries as well.
func (c *Config) warnOverlap(at scope, seen map[channelSeen]scope) {
	for id, where := range seen {
		if _, all := seen[channelSeen{id.org, "/data/ChangeEvents"}]; !all || !strings.HasSuffix(id.channel, "ChangeEvent") {
			continue
		}
		where.warn("", "may be carried by /data/ChangeEvents of the same org too, and then comes twice",
			"remove one of the two, or take the object out of the standard channel in Setup")
	}
}
