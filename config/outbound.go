package config

import (
	"fmt"
	"strings"

	"sfbridge/writeback"
	"sfbridge/writeback/rows"
)

// checkOutbound looks at what goes out of Kafka.
func (c *Config) checkOutbound(at scope) {
	if !at.given("capture") && !at.given("writeback") && !at.given("publish") {
		at.fail("capture", "is missing, and so are writeback and publish", "say what is carried: give at least one of the three")
	}
	seen := make(map[string]scope)
	for i := range c.Writeback {
		w, in := &c.Writeback[i], at.in("writeback").index(i)
		c.checkFlow(in, seen, w.Topic, w.Org, w.Object)
		w.check(in)
	}
	for i := range c.Publish {
		p, in := &c.Publish[i], at.in("publish").index(i)
		c.checkFlow(in, seen, p.Topic, p.Org, p.Event)
		if in.given("fields") && in.given("unmapped") {
			in.fail("unmapped", "has no effect beside fields", "remove one of the two")
		}
	}
}

// checkFlow looks at what all flows out of Kafka have: a topic to read, which
// is none of the bridge's own, and an org and object that no other entry carries
// the same topic into.
func (c *Config) checkFlow(in scope, seen map[string]scope, topic, org, object string) {
	c.checkOrg(org, in)
	own := []string{c.Kafka.TopicPrefix + ".results", c.Kafka.TopicPrefix + ".dlq"}
	for _, t := range own {
		if topic == t {
			in.fail("topic", "is where the bridge itself writes outcomes", "give another topic; sfbridge dlq retry sends dead letters again")
		}
	}
	if strings.HasPrefix(topic, "_sfbridge.") {
		in.fail("topic", "is internal to a bridge", "give another topic")
	}
	if topic == "" || object == "" {
		return // has been reported
	}
	name := topic + "/" + org + "/" + object
	if first, ok := seen[name]; ok {
		in.fail("", fmt.Sprintf("carries topic %s into %s of org %s again", topic, object, org),
			fmt.Sprintf("remove it; line %d has it", first.line()))
		return
	}
	seen[name] = in
}

// check looks for pairs that cannot work.
func (w *Writeback) check(in scope) {
	w.checkKey(in)
	w.checkConflict(in)
	if in.given("operations") && !in.given("operation_from") {
		in.fail("operations", "has no effect without operation_from", "say where the value comes from: operation_from: op")
	}
	if in.given("fields") && in.given("unmapped") {
		in.fail("unmapped", "has no effect beside fields", "remove one of the two")
	}
}

// checkKey looks whether rows can be told apart, by what is certain before any
// record is seen.
func (w *Writeback) checkKey(in scope) {
	byExternalID := in.given("external_id") && !strings.EqualFold(w.ExternalID, "Id")
	_, mapsID := w.Fields["Id"]
	switch {
	case w.can(rows.Upsert) && in.given("external_id") && !byExternalID:
		in.fail("external_id", "is no external id: an upsert by record id never creates anything", "use operation: update, or give an external id field")
	case w.can(rows.Upsert) && !byExternalID:
		in.need("external_id", "upsert tells by it whether the row is there")
	case w.Operation == string(rows.Update) && in.given("fields") && !byExternalID && !mapsID:
		in.fail("operation", "cannot tell which row is meant", "give external_id, or map Id; Id: _key takes the record's key for the record id")
	case byExternalID && mapsID:
		in.fail("fields.Id", "is mapped beside external_id, and only one can tell the row", "remove one of the two")
	}
}

// can tells whether a record can ask for an operation.
func (w *Writeback) can(op rows.Operation) bool {
	if w.Operation == string(op) {
		return true
	}
	for _, o := range w.Operations {
		if o == string(op) {
			return true
		}
	}
	return false
}

func (w *Writeback) checkConflict(in scope) {
	if w.Conflict == string(writeback.Overwrite) {
		for _, k := range []string{"version", "version_field"} {
			if in.given(k) {
				in.fail(k, "has no effect: conflict is overwrite", "set conflict: newer-wins or skip-if-changed, or remove it")
			}
		}
		return
	}
	if w.Operation == string(rows.Insert) && !in.given("operation_from") {
		in.fail("conflict", "has no effect on insert, which never meets a row that is there", "use upsert with an external_id, or remove it")
	}
}
