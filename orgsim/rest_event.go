package orgsim

import (
	"net/http"

	"sfbridge/event"
)

// publish puts the body on the bus as a platform event. The answer carries
// the event's uuid in place of an error, with the code OPERATION_ENQUEUED
// (Platform Events guide, "Publish Event Messages with Salesforce APIs").
func (c *call) publish(def *ObjectDef) error {
	body, err := c.object()
	if err != nil {
		return err
	}
	values, err := c.values(nil, def, body, "")
	if err != nil {
		return err
	}
	uuid, replay, err := c.rest.org.PublishEvent(c.ctx, c.caller(), def.Name, values)
	if err != nil {
		return err
	}
	var n uint64
	for _, b := range replay[:min(8, len(replay))] {
		n = n<<8 | uint64(b)
	}
	return c.json(http.StatusCreated, saved{
		ID: makeID(def.KeyPrefix, c.rest.org.cfg.IDInfix, n), Success: true,
		Errors: []any{map[string]any{"statusCode": "OPERATION_ENQUEUED", "message": uuid, "fields": []string{}}},
	})
}

// eventSchemaByID is /event/eventSchema/<id>: any schema, of today or before.
func (c *call) eventSchemaByID(id string) error {
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	text, ok := c.rest.org.SchemaJSON(event.SchemaID(id))
	if !ok {
		return errNotFound()
	}
	return c.send(http.StatusOK, []byte(text))
}

// eventSchemaByName is /sobjects/<event>/eventSchema: the schema of today.
// Only payloadFormat=COMPACT, the schema that the Pub/Sub API uses, is known.
func (c *call) eventSchemaByName(name string) error {
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	_, text, err := c.rest.org.EventSchema(name)
	if err != nil {
		return errNotFound()
	}
	return c.send(http.StatusOK, []byte(text))
}
