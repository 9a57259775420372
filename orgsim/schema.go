package orgsim

// schema is the Avro schema of one kind of event.
type schema struct {
	id string
}
