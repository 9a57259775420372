package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"sfbridge/internal/flow"
	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

// flow looks at one flow out of Kafka: its topics and its group if Kafka was
// reached, and the object or the event and the mapping if the login worked.
func (c *checker) flow(ctx context.Context, o *outbound, kafkaReached, loggedIn bool) {
	n := &o.names
	if kafkaReached && !c.source(ctx, n) {
		return
	}
	if !loggedIn {
		return
	}
	ok := true
	if n.kind == flow.KindPublish {
		channel := o.channel
		ok = c.line(n.part(), "channel "+channel, "can publish", c.b.checkPublish(ctx, n.org, channel))
	} else {
		ok = c.object(ctx, o)
	}
	if ok && kafkaReached { // the rest says less clearly what was said already
		c.line(n.part(), "mapping", "fits", o.flow.Prepare(ctx))
	}
}

// source looks at what a flow reads.
func (c *checker) source(ctx context.Context, n *flowNames) bool {
	partitions, err := c.b.sourcePartitions(ctx, n)
	if !c.line(n.part(), "source topic "+n.topic, fmt.Sprintf("%d partitions", partitions), err) {
		return false
	}
	limit, err := c.b.kafka.MaxRecordBytes(ctx, n.topic)
	detail := ""
	if err == nil {
		detail, err = c.b.checkTopic(ctx, c.b.cfg.retryTopic(n, partitions, limit))
	}
	if tooFew(err) {
		detail, err = fmt.Sprintf("will be given %d partitions, as its source has", partitions), nil
	}
	c.line(n.part(), "topic "+n.retry, detail, err)
	lag, err := c.b.flowLag(ctx, n.group, n.topic)
	detail = "starts where the configuration says"
	if started(lag) {
		detail = fmt.Sprintf("at most %d records behind", total(lag))
	}
	c.line(n.part(), "group "+n.group, detail, err)
	return true
}

// object looks whether the integration user may do with the object what records
// can ask for.
func (c *checker) object(ctx context.Context, o *outbound) bool {
	part, name := o.names.part(), o.rows.Object
	object, err := c.b.orgs[o.names.org].rest.Describe(ctx, name)
	if e, ok := errors.AsType[*salesforce.Error](err); ok && e.Status == http.StatusNotFound {
		err = fmt.Errorf("%w: correct the name, or give the integration user Read on the object", err)
	}
	var may []string
	if err == nil {
		may, err = permitted(object, o.rows)
	}
	if !c.line(part, "object "+name, "can be "+strings.Join(may, ", "), err) {
		return false
	}
	key := o.rows.ExternalID
	if key == "" || strings.EqualFold(key, "Id") {
		return true
	}
	f, err := keyField(object, o.rows)
	detail := ""
	if err == nil {
		detail = "is an external id"
		if f.Unique {
			detail += ", unique"
		}
	}
	return c.line(part, "external id "+key, detail, err)
}

// permitted names what may be done with an object, or what may not and would be.
func permitted(object *salesforce.Object, rc rows.Config) (may []string, err error) {
	var lacks []string
	for _, p := range []struct {
		what, permission string
		may, needed      bool
	}{
		{"created", "Create", object.Createable, asks(rc, rows.Insert) || asks(rc, rows.Upsert)},
		{"updated", "Edit", object.Updateable, asks(rc, rows.Update) || asks(rc, rows.Upsert)},
		{"deleted", "Delete", object.Deletable, asks(rc, rows.Delete)},
		{"undeleted", "Delete", object.Undeletable, asks(rc, rows.Undelete)},
	} {
		switch {
		case p.may:
			may = append(may, p.what)
		case p.needed:
			lacks = append(lacks, p.permission)
		}
	}
	if len(lacks) == 0 {
		return may, nil
	}
	text := fmt.Sprintf("the integration user may not %s %s: give it that in a permission set", strings.ToLower(strings.Join(lacks, ", ")), object.Name)
	if rc.OnTombstone != rows.TombstoneIgnore && !object.Deletable {
		text += ", or set on_tombstone: ignore if records without a value shall not delete rows"
	}
	return nil, errors.New(text)
}

// asks tells whether some record may ask for an operation.
func asks(rc rows.Config, op rows.Operation) bool {
	if rc.Operation == op || op == rows.Delete && (rc.OnTombstone == "" || rc.OnTombstone == rows.TombstoneDelete) {
		return true
	}
	for _, o := range rc.Operations {
		if o == op {
			return true
		}
	}
	return false
}

// keyField finds the external id of a flow and insists that it is one.
func keyField(object *salesforce.Object, rc rows.Config) (*salesforce.Field, error) {
	f, ok := object.Field(rc.Namespace.Name(rc.ExternalID))
	if !ok {
		f, ok = object.Field(rc.ExternalID)
	}
	switch {
	case !ok:
		return nil, fmt.Errorf("%s has no field %s that the integration user may see: correct external_id, or give it Read on the field",
			object.Name, rc.ExternalID)
	case !f.ExternalID && !f.IDLookup:
		return nil, fmt.Errorf("%s.%s is no external id: tick External ID (and Unique) in the field's definition", object.Name, f.Name)
	}
	return f, nil
}

// checkPublish looks whether the user may publish to a channel.
func (b *Bridge) checkPublish(ctx context.Context, org, channel string) error {
	topic, err := b.orgs[org].pubsub.Topic(ctx, channel)
	if err != nil {
		return err
	}
	if !topic.CanPublish {
		return permanent("the integration user may not publish to %s: give it Create on the event", channel)
	}
	return nil
}
