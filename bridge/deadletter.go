package bridge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"sfbridge/event"
	"sfbridge/kafka"
)

// Reasons of dead letters, the values of the metric's label.
const (
	reasonUndecodable   = "undecodable"
	reasonUnknownSchema = "unknown_schema"
	reasonBadSchema     = "bad_schema"
	reasonTooLarge      = "too_large"
	reasonNoKey         = "no_key"
)

// kindCapture is the kind of the letters of this package.
const kindCapture = "capture"

// poisonError says that one event, and not its channel, is at fault.
type poisonError struct {
	Reason   string
	err      error
	recordID string
	topic    string
	size     int
}

func (e *poisonError) Error() string { return e.err.Error() }
func (e *poisonError) Unwrap() error { return e.err }

// DeadLetter is the value of a record in the dead-letter topic, as JSON. With
// Payload absent the event is named by reference: the org still has it under
// ReplayID for the length of its retention.
type DeadLetter struct {
	Kind      string         `json:"kind"` // capture; package flow has the others
	Reason    string         `json:"reason"`
	Error     string         `json:"error"`
	Org       string         `json:"org"`
	OrgID     string         `json:"org_id"`
	Channel   string         `json:"channel"`
	ReplayID  event.ReplayID `json:"replay_id"`
	SchemaID  event.SchemaID `json:"schema_id"`
	EventUUID string         `json:"event_uuid"`
	RecordID  string         `json:"record_id,omitempty"` // of an oversize record
	Topic     string         `json:"topic,omitempty"`     // that could not take it
	Size      int            `json:"size"`                // bytes of the record, or of the payload
	SHA256    string         `json:"sha256"`              // of the payload
	Payload   []byte         `json:"payload,omitempty"`   // base64: the Avro datum as it came
	Time      time.Time      `json:"time"`
}

// deadLetter sets one event aside, in the order and the transaction in which
// it would have been written, so that the position may move past it.
func (e *encoder) deadLetter(ctx context.Context, a *arena, ev *event.Raw, cause *poisonError, withPayload bool) error {
	sum := sha256.Sum256(ev.Payload)
	d := DeadLetter{
		Kind: kindCapture, Reason: cause.Reason, Error: cause.Error(),
		Org: e.ch.capture.Org, OrgID: e.ch.org.id(), Channel: e.ch.capture.Channel,
		ReplayID: ev.ReplayID, SchemaID: ev.SchemaID, EventUUID: ev.UUID,
		RecordID: cause.recordID, Topic: cause.topic, Size: max(cause.size, len(ev.Payload)),
		SHA256: hex.EncodeToString(sum[:]), Time: time.Now().UTC(),
	}
	if withPayload {
		d.Payload = ev.Payload
	}
	rec, err := e.deadLetterRecord(&d)
	if err != nil {
		return err
	}
	fits, err := e.fits(ctx, rec)
	if err != nil {
		return err
	}
	if !fits {
		d.Payload = nil
		if rec, err = e.deadLetterRecord(&d); err != nil {
			return err
		}
	}
	a.records = append(a.records, rec)
	a.aside = append(a.aside, cause.Reason)
	e.ch.log.Warn("event set aside", "reason", cause.Reason, "replay_id", ev.ReplayID,
		"schema_id", ev.SchemaID, "topic", rec.Topic, "err", cause.err)
	return nil
}

func (e *encoder) deadLetterRecord(d *DeadLetter) (kafka.Record, error) {
	value, err := json.Marshal(d)
	if err != nil {
		return kafka.Record{}, fmt.Errorf("dead letter of %s: %w", d.ReplayID, err)
	}
	return kafka.Record{
		Topic: e.b.cfg.deadLetterTopic(), Partition: kafka.AnyPartition, Key: []byte(d.Org + d.Channel), Value: value, Time: d.Time,
		Headers: []kafka.Header{
			{Key: "sf_reason", Value: []byte(d.Reason)},
			{Key: headerReplayID, Value: []byte(d.ReplayID.String())},
			{Key: headerSchemaID, Value: []byte(d.SchemaID)},
			{Key: headerOrigin, Value: originStream},
		},
	}, nil
}
