// Package flow holds what the ways out of Kafka have in common for those who
// read about them: where a record came from, what became of it, and how a flow
// is doing. A flow is one source topic on its way into one org: write-back into
// an object, or the publishing of a platform event.
//
// Results and dead letters are JSON, so that any tool reads them.
package flow
