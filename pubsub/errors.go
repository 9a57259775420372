package pubsub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"sfbridge/salesforce/auth"
)

var (
	// ErrReplayExpired says that the org does not take the position: the replay
	// id is older than its retention, of another org or stream, or malformed;
	// the service does not tell these apart. The error that matches is *Error.
	ErrReplayExpired = errors.New("replay id expired or not known to the org")
	// ErrClosed is returned once a Subscription, Publisher or Client is closed.
	ErrClosed = errors.New("closed")

	errSilent = errors.New("no event and no keepalive for two keepalive periods")
	errOpen   = errors.New("stream not opened in time")
)

// Error is what the service answered, whole.
type Error struct {
	Op      string     // the call: Subscribe, GetTopic, GetSchema, Publish, PublishStream
	Channel string     // or the schema id, for GetSchema
	Code    string     // error-code without its prefix: topic.not.found; empty if none was sent
	Status  codes.Code // of the call
	Message string     // the server's sentence; for people only
	RPCID   string     // what Salesforce's support asks for; empty if none was sent
	Hint    string     // what a person can do about it

	class class
}

// Error gives call, channel, code, message and hint.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s", e.Op, e.Channel, e.Status)
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.RPCID != "" && !strings.Contains(e.Message, e.RPCID) {
		b.WriteString(" (rpc id " + e.RPCID + ")")
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Is makes a refused position match ErrReplayExpired.
func (e *Error) Is(target error) bool { return target == ErrReplayExpired && e.class == lostPlace }

// Retryable tells whether the same call may work later with nothing changed.
// Subscriptions do that by themselves; it is for GetTopic, GetSchema, Publish.
func Retryable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, ErrClosed) {
		return false
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.class != lostPlace && e.class != stop
	}
	return auth.Retryable(err)
}

// IsPermanent tells whether the call can never work until a person changes
// something: a wrong channel, a missing right, a login that is refused. A lost
// position is not permanent: another one can be chosen.
func IsPermanent(err error) bool {
	if err == nil || errors.Is(err, ErrReplayExpired) || errors.Is(err, context.Canceled) || errors.Is(err, ErrClosed) {
		return false
	}
	return !Retryable(err)
}

// fromCall turns what ended a call into *Error. The error-code in the trailers
// decides first, then the gRPC status; the message decides nothing. A clean end
// of a stream is a status of its own here: io.EOF stays.
func fromCall(op, channel string, err error, trailer metadata.MD) error {
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	st, ok := status.FromError(err)
	if !ok {
		return fmt.Errorf("%s %s: %w", op, channel, err)
	}
	e := &Error{Op: op, Channel: channel, Status: st.Code(), Message: st.Message()}
	e.Code = strings.TrimPrefix(first(trailer, "error-code"), codePrefix)
	e.RPCID = first(trailer, "rpc-id")
	m, known := meanings[e.Code]
	if !known {
		m = byStatus(e.Status)
	}
	e.class, e.Hint = m.class, m.hint
	return e
}

// first returns the first value of a key, or nothing. Values of other keys,
// binary ones among them, are not looked at.
func first(md metadata.MD, key string) string {
	if v := md.Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

// classOf says what to do about the end of a stream.
func classOf(err error) class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.class
	}
	return resume
}

// reasonOf names the end of a stream for metrics: one of a bounded set.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, io.EOF):
		return "clean_close"
	case errors.Is(err, errSilent):
		return "silence"
	}
	if _, ok := errors.AsType[*loginError](err); ok {
		return "auth"
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return "transport"
	}
	switch e.class {
	case relogin:
		return "auth"
	case slow:
		return "exhausted"
	case limited:
		return "limit"
	}
	switch {
	case strings.HasSuffix(e.Code, "unavailable"):
		return "unavailable"
	case e.Code == "" && e.Status == codes.Unavailable:
		return "transport"
	case e.Status == codes.Unavailable:
		return "unavailable"
	}
	return "internal"
}
