package orgsim

import (
	"context"
	"fmt"
	"time"

	"sfbridge/event"
)

// PublishEvent publishes one platform event as a Caller does through REST or
// Apex; fields left out are null. It gives the event's uuid and replay id.
func (o *Org) PublishEvent(ctx context.Context, caller Caller, name string, fields map[string]Value) (uuid string, replay event.ReplayID, err error) {
	if err := ctx.Err(); err != nil {
		return "", nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.table(name)
	switch {
	case o.closed:
		return "", nil, ErrClosed
	case t == nil || !t.def.Event:
		return "", nil, fieldErr(CodeInvalidType, nil, "sObject type '%s' is not supported.", name)
	}
	if caller.UserID == "" {
		caller.UserID = o.userID
	}
	tx := &Tx{org: o, caller: caller, now: wholeSecond(time.Now())}
	values, err := tx.checkWrite(t, fields, true)
	if err != nil {
		return "", nil, err
	}
	values["CreatedDate"], values["CreatedById"] = DateTimeOf(time.Now()), String(caller.UserID)
	payload := t.schema.appendBody(nil, body{pick: func(i, j int) Value { return values[t.schema.fields[i].name] }})
	if len(payload) > o.cfg.MaxEventBytes {
		return "", nil, fieldErr(CodePlatformEventTooLarge, nil, "The platform event is larger than %d bytes.", o.cfg.MaxEventBytes)
	}
	e := &stored{entity: t.def.Name, schemaID: t.schema.id, payload: payload, uuid: newUUID(o.rng)}
	o.storePlatform(e)
	return e.uuid, replayID(e.counter, o.cfg.Switches.ReplayIDBytes), nil
}

// storePlatform puts a platform event on the bus.
func (o *Org) storePlatform(e *stored) {
	o.bus.append(e)
	o.ledger.add(e, nil)
	o.usage.publish(1)
}

// SchemaJSON gives the Avro schema with an id, of today or of any time
// before.
func (o *Org) SchemaJSON(id event.SchemaID) (string, bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	s, ok := o.schemas[id]
	if !ok {
		return "", false
	}
	return s.json, true
}

// EventSchema gives the current schema of an event by its API name, such as
// AccountChangeEvent or Shipment__e.
func (o *Org) EventSchema(eventName string) (id event.SchemaID, json string, err error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	for _, t := range o.tables {
		if t.def.EventName() == eventName {
			return t.schema.id, t.schema.json, nil
		}
	}
	return "", "", fmt.Errorf("event schema: no event %q", eventName)
}

// MoveOrg moves the org to another instance: events stored so far are gone,
// replay ids start in a new range, and every old one is invalid. Open streams
// end.
func (o *Org) MoveOrg() {
	o.bus.reset()
	o.streams.endAll(endUnavailable)
}
