package config

import (
	"sfbridge/bridge"
	"sfbridge/schemas"
)

// Publish is one topic to carry out as a platform event.
type Publish struct {
	Topic    string
	Org      string
	Event    string
	Fields   map[string]string // fields of the event to expressions
	Unmapped string            // Reject or Ignore
	ID       string            // expression
	Format   string
	From     string // Latest or Earliest
	Results  bool
}

func (p *Publish) keys() []key {
	return []key{
		{
			name: "topic", to: &p.Topic, required: true, valid: topicName, example: "erp.shipments",
			doc: "Topic that is read. It must exist. Records of one key stay in order.",
		},
		{name: "org", to: &p.Org, required: true, example: "main", doc: "Name of an org under `orgs`."},
		{
			name: "event", to: &p.Event, required: true, valid: eventName, example: "Shipment__e",
			doc: "Platform event that each record becomes, by API name.",
		},
		{
			name: "fields", to: &p.Fields, names: fieldName, valid: formula, example: "{Order_Number__c: order, Status__c: status}",
			doc: "Fields of the event and where their values come from: paths or expressions ([mapping](mapping.md)). Without it each field of the record goes to the field of the same name.",
		},
		{
			name: "unmapped", to: &p.Unmapped, def: Reject, oneOf: []string{Reject, Ignore}, example: Ignore,
			doc: "Without `fields`: whether a record with a field that the event lacks is a dead letter, or is published without that field.",
		},
		{
			name: "id", to: &p.ID, valid: formula, example: "event_id",
			doc: "Path or expression for the event's uuid, by which subscribers can tell a repeat. Without it the uuid comes from the header `ce_id`, or is made from the record's topic, partition and offset.",
		},
		{
			name: "format", to: &p.Format, def: string(schemas.Auto), oneOf: formats(), example: string(schemas.JSON),
			doc: "How values are read. `auto` takes what begins like the Schema Registry's framing for that, and anything else for JSON.",
		},
		{
			name: "from", to: &p.From, def: Earliest, oneOf: []string{Earliest, Latest}, example: Latest,
			doc: "Where an entry starts that has no offsets yet: with the oldest record of the topic, or with what comes from now on.",
		},
		{
			name: "results", to: &p.Results, def: "true", example: "false",
			doc: "Write what became of each record to `<prefix>.results`. Dead letters are written in any case.",
		},
	}
}

// bridge gives the entry as package bridge takes it.
func (p *Publish) bridge() bridge.Publish {
	return bridge.Publish{
		Topic: p.Topic, Org: p.Org, Event: p.Event, Format: schemas.Format(p.Format), Latest: p.From == Latest,
		Fields: p.Fields, IgnoreUnmapped: p.Unmapped == Ignore, ID: p.ID, NoResults: !p.Results,
	}
}
