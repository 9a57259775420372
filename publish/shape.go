package publish

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sfbridge/event"
	"sfbridge/pubsub"
	"sfbridge/salesforce"
	"sfbridge/schemas"
)

// Fields that the bridge itself sets (Pub/Sub API guide, "Publish Event
// Messages"): the service ignores the date, and an id that is not the
// publisher's own quietly keeps triggers and flows from running.
const (
	fieldDate = "CreatedDate"
	fieldUser = "CreatedById"
)

// shape is the platform event as the org last described it. It never changes.
type shape struct {
	id     event.SchemaID
	codec  *schemas.Codec
	user   string // id of the user that publishes
	names  []string
	exact  map[string]*target // by name
	folded map[string]*target // by name in lower case
	mapped []*target          // of Flow.fields; nil where the event lacks one
}

// target is one field of the event.
type target struct {
	name   string
	avro   string // type in the schema: string, double, long, boolean
	kind   string // type in describe: datetime, date, double, textarea; empty if it is not known
	length int    // characters of text; 0 if not known
}

// setupError is a setting that does not fit the org.
type setupError struct{ text string }

func (e *setupError) Error() string { return e.text }

// refresh describes the event anew, and tells whether it has another schema
// than before.
func (f *Flow) refresh(ctx context.Context) (changed bool, err error) {
	topic, err := f.cfg.PubSub.Topic(ctx, f.channel())
	if err != nil {
		return false, &stepError{err, pubsub.Retryable(err)}
	}
	old := f.shape.Load()
	switch {
	case !topic.CanPublish:
		return false, &setupError{"event " + f.cfg.Event + ": the user may not publish it: give the user Create access to the platform event"}
	case topic.SchemaID == "":
		return false, &setupError{"channel " + f.channel() + " has no schema of its own: name one platform event"}
	case old != nil && old.id == topic.SchemaID:
		return false, nil
	}
	codec, err := f.cfg.Schemas.Codec(ctx, topic.SchemaID)
	if err != nil {
		return false, &stepError{err, pubsub.Retryable(err)}
	}
	who, err := f.cfg.API.UserInfo(ctx)
	if err != nil {
		return false, fmt.Errorf("user that publishes: %w", &stepError{err, salesforce.Retryable(err)})
	}
	s := &shape{id: topic.SchemaID, codec: codec, user: who.UserID}
	s.describe(f.describe(ctx))
	if err := f.check(s); err != nil {
		return false, err
	}
	f.shape.Store(s)
	return old != nil, nil
}

// describe asks for the types that the schema does not tell apart: a long is a
// date or a date and time. Without them numbers still do.
func (f *Flow) describe(ctx context.Context) *salesforce.Object {
	o, err := f.cfg.API.Describe(ctx, f.cfg.Event)
	if err != nil {
		f.log.Warn("the event cannot be described, dates have to be given in full", "event", f.cfg.Event, "err", err)
		return &salesforce.Object{}
	}
	return o
}

func (s *shape) describe(o *salesforce.Object) {
	s.exact, s.folded = map[string]*target{}, map[string]*target{}
	for _, field := range s.codec.Fields() {
		t := &target{name: field.Name, avro: field.Type}
		if d, ok := o.Field(field.Name); ok {
			t.kind = d.Type
			if field.Type == "string" {
				t.length = d.Length
			}
		}
		s.names = append(s.names, field.Name)
		s.exact[field.Name], s.folded[strings.ToLower(field.Name)] = t, t
	}
}

// check holds the mapping against the event.
func (f *Flow) check(s *shape) error {
	s.bind(f)
	for i, m := range f.fields {
		if s.mapped[i] == nil {
			return &setupError{fmt.Sprintf("event %s has no field %s: it has %s", f.cfg.Event, m.name, strings.Join(s.own(), ", "))}
		}
	}
	for _, name := range []string{fieldDate, fieldUser} {
		if !slices.Contains(s.names, name) {
			return &setupError{fmt.Sprintf("event %s has no field %s in its schema: it is no platform event", f.cfg.Event, name)}
		}
	}
	return nil
}

// bind finds the fields of the mapping.
func (s *shape) bind(f *Flow) {
	s.mapped = make([]*target, len(f.fields))
	for i, m := range f.fields {
		s.mapped[i] = s.field(f.cfg.Event, m.name)
	}
}

// own lists the fields that records may fill.
func (s *shape) own() []string {
	return slices.DeleteFunc(slices.Clone(s.names), isSystem)
}

// field finds a field by its name, whatever its case; a custom one also without
// the prefix of the event's package.
func (s *shape) field(event, name string) *target {
	if t := s.exact[name]; t != nil {
		return t
	}
	lower := strings.ToLower(name)
	if t := s.folded[lower]; t != nil {
		return t
	}
	if parts := strings.Split(event, "__"); len(parts) == 3 { // ns__Shipment__e
		return s.folded[strings.ToLower(parts[0])+"__"+lower]
	}
	return nil
}

// isSystem tells whether a name is one of those that platform events have by
// themselves. Two of them are no part of the payload.
func isSystem(name string) bool {
	for _, own := range [...]string{fieldDate, fieldUser, "ReplayId", "EventUuid"} {
		if strings.EqualFold(name, own) {
			return true
		}
	}
	return false
}
