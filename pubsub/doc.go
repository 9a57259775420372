// Package pubsub is a client of the Salesforce Pub/Sub API (gRPC service
// eventbus.v1.PubSub). Channels and positions go in; raw events come out: the
// bytes of each Avro datum with its schema id and its replay id. What the bytes
// mean is decided elsewhere.
//
// A Subscription heals itself: it reopens a lost stream after the last event
// that it handed out, without a gap and without a repeat, and it gives up only
// where a person or a policy has to decide. It never drops an event and never
// falls back to another position.
package pubsub
