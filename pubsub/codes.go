package pubsub

import "google.golang.org/grpc/codes"

// codePrefix stands before every error-code that the service sends in its
// trailers.
const codePrefix = "sfdc.platform.eventbus.grpc."

// class says what a client does about an error (the retry classes of the
// service's error table, brought to six).
type class int

const (
	resume    class = iota // A: wait a little, open again after the last event
	relogin                // B: get a new token, then as A
	slow                   // C: too many requests or streams; wait longer
	limited                // D: the day's deliveries are used up; probe rarely
	lostPlace              // E: the replay id is not taken; a policy decides
	stop                   // F: a person has to act
)

// meaning is what one error-code tells.
type meaning struct {
	class class
	hint  string
}

const (
	hintChannel = "check the spelling (names are case-sensitive; /data/AccountChangeEvent, /data/Order__ChangeEvent, /event/Shipment__e) and, for change events, that the object is selected for Change Data Capture in Setup"
	hintReplay  = "the event is older than the 72 h that Salesforce keeps, or the org has moved: choose a new position and read again what changed since"
)

// meanings has the suffixes of the service's error-codes (Pub/Sub API guide,
// error codes). What is not here is decided by the gRPC status.
var meanings = map[string]meaning{
	"service.unavailable":                       {resume, ""},
	"service.auth.error":                        {relogin, "check that the user's session may be used from this address and that the org is not being maintained"},
	"service.auth.headers.invalid":              {relogin, "the service did not take the token, instance URL or org id that were sent"},
	"service.auth.refresh.invalid":              {relogin, ""},
	"service.protection.stream.limit.triggered": {slow, "the org has too many streams open: look for other subscribers"},
	"service.protection.triggered":              {slow, ""},
	"service.tenant.license":                    {stop, "the org's edition or licences do not include the Pub/Sub API"},
	"concurrent.client.limit.exceeded":          {slow, "the org has too many clients: close others"},

	"topic.not.found":          {stop, hintChannel},
	"topic.meta.permission":    {stop, "give the user the right to read this channel: View All Data, or View All on each of its objects, or read access to the platform event"},
	"topic.api.unavailable":    {resume, ""},
	"topic.validation.empty":   {stop, "name a channel"},
	"schema.meta.permission":   {stop, "give the user the right to read the objects or events of this schema"},
	"schema.api.unavailable":   {resume, ""},
	"schema.validation.failed": {stop, "the schema id is blank: channels of several kinds have none, take it from each event"},

	"subscription.fetch.replayid.corrupted":         {lostPlace, hintReplay},
	"subscription.fetch.replayid.validation.failed": {stop, "a custom position needs a replay id"},
	"subscription.fetch.replay.repeated":            {resume, ""},
	"subscription.limit.exceeded":                   {limited, "the org's event deliveries of the last 24 h are used up: they free up within a day; fewer subscribers, a channel filter or the add-on help; events are kept for 72 h"},
	"subscription.fetch.overflow":                   {slow, ""},
	"subscription.fetch.requested.events.invalid":   {stop, ""},
	"subscription.fetch.topic.mismatch":             {stop, ""},
	"subscription.fetch.request.invalid":            {stop, ""},
	"subscription.topic.cannot.subscribe":           {stop, "give the user the right to subscribe: View All Data, or View All on the object, or read access to the platform event"},
	"subscription.internal.error":                   {resume, ""},

	"publish.stream.sweeper.timeout": {resume, ""},
	"publish.auth.refresh.invalid":   {relogin, ""},
	"publish.event.count.invalid":    {stop, ""},
	"publish.topic.mismatch":         {stop, ""},
	"publish.topic.validation.empty": {stop, "name a channel"},
}

// byStatus decides where there is no error-code, or an unknown one.
// INVALID_ARGUMENT is never taken for a lost position: several mistakes of a
// client share that status, and a reset would lose or repeat data.
func byStatus(c codes.Code) meaning {
	switch c {
	case codes.Unauthenticated:
		return meaning{relogin, ""}
	case codes.ResourceExhausted:
		return meaning{slow, ""}
	case codes.PermissionDenied:
		return meaning{stop, "give the user access to this channel"}
	case codes.NotFound:
		return meaning{stop, hintChannel}
	case codes.Unimplemented:
		return meaning{stop, "check the endpoint: what answers is not the Pub/Sub API"}
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange, codes.AlreadyExists:
		return meaning{stop, "the service gave no known error-code, so this is not taken for an expired replay id; if it is one, choose a new position"}
	}
	// Canceled, Unknown, DeadlineExceeded, Aborted, Internal, Unavailable,
	// DataLoss: the transport or the server failed, not the request.
	return meaning{resume, ""}
}
