package schemas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"
)

// errTimeout is why a request of ours was given up, as opposed to the caller's.
var errTimeout = errors.New("no answer in time")

// IncompatibleError says that the registry refuses a schema: it conflicts with
// the subject's versions under the subject's compatibility level, or is not
// valid for the registry. Waiting does not help; a person has to decide.
type IncompatibleError struct {
	Subject string
	Level   string // the subject's compatibility level, if it could be read
	Reason  string // the registry's own words
	Hint    string // what to do
}

// Error gives the registry's reason and the hint.
func (e *IncompatibleError) Error() string {
	return fmt.Sprintf("subject %s: schema refused: %s (%s)", e.Subject, e.Reason, e.Hint)
}

// RegistryError is any other failure of a request to the registry.
type RegistryError struct {
	Op     string // what was tried, with the subject or number
	Status int    // of HTTP; 0 if there was no answer
	Code   int    // the registry's error_code; 0 if there was none
	Reason string // the registry's own words, or what the connection said
	Hint   string // what to do, if we know
	Err    error  // the cause
}

// Error reads as a sentence, with the hint at its end.
func (e *RegistryError) Error() string {
	var s strings.Builder
	s.WriteString("schema registry: " + e.Op)
	if e.Status != 0 {
		fmt.Fprintf(&s, ": status %d", e.Status)
	}
	s.WriteString(": " + e.Reason)
	if e.Hint != "" {
		s.WriteString(" (" + e.Hint + ")")
	}
	return s.String()
}

// Unwrap gives the cause.
func (e *RegistryError) Unwrap() error { return e.Err }

// Retryable tells whether the same request may succeed later: there was no
// answer, or one that says that the registry is ill or busy.
func (e *RegistryError) Retryable() bool {
	switch {
	case errors.Is(e.Err, context.Canceled):
		return false
	case e.Status == 0:
		return true
	}
	return e.Status >= 500 || e.Status == http.StatusRequestTimeout || e.Status == http.StatusTooManyRequests
}

// Retryable tells whether what failed with err may be tried again unchanged:
// the registry is away, ill or busy, or a record's schema cannot be had for
// now. Refusals and errors that are not the registry's are not.
func Retryable(err error) bool {
	if e, ok := errors.AsType[*LookupError](err); ok {
		return e.Retryable()
	}
	e, ok := errors.AsType[*RegistryError](err)
	return ok && e.Retryable()
}

// failed gives a failed request its name, status and hint.
func (r *Registry) failed(ctx context.Context, op string, err error) *RegistryError {
	e := &RegistryError{Op: op, Err: err}
	if resp, ok := errors.AsType[*sr.ResponseError](err); ok {
		e.Status, e.Code, e.Reason = resp.StatusCode, resp.ErrorCode, brief(resp.Error())
	} else if context.Cause(ctx) == errTimeout {
		e.Err, e.Reason = errTimeout, fmt.Sprintf("%v: %s after %v", errTimeout, r.bases[0], r.cfg.Timeout)
	} else if err != nil && !isJSONError(err) {
		e.Reason = err.Error()
		e.Hint = "check schema_registry.url, and that the registry runs and can be reached from here"
	} else {
		e.Status, e.Reason = http.StatusOK, "the answer is not that of a Schema Registry"
		e.Hint = "check schema_registry.url: a web server or a proxy seems to answer there"
	}
	switch e.Status {
	case http.StatusUnauthorized:
		e.Hint = "the registry wants credentials: check schema_registry.username and password, or bearer"
	case http.StatusForbidden:
		e.Hint = "these credentials may not do that: the subjects need read and write permission"
	}
	return e
}

// isJSONError tells whether an answer with status 200 could not be decoded.
func isJSONError(err error) bool {
	_, syntax := errors.AsType[*json.SyntaxError](err)
	_, kind := errors.AsType[*json.UnmarshalTypeError](err)
	return syntax || kind
}

// refusal picks the answers out that speak of the schema itself: 409, and 422
// except for "not permitted" (42205), which speaks of the registry's mode.
func refusal(err error) (*sr.ResponseError, bool) {
	resp, ok := errors.AsType[*sr.ResponseError](err)
	if !ok {
		return nil, false
	}
	switch {
	case resp.StatusCode == http.StatusConflict:
		return resp, true
	case resp.StatusCode == http.StatusUnprocessableEntity:
		return resp, resp.ErrorCode != sr.ErrOperationNotPermitted.Code
	}
	return nil, false
}

// mayOnlyRead tells whether err says that we, or all, may not register.
func mayOnlyRead(err error) bool {
	resp, ok := errors.AsType[*sr.ResponseError](err)
	return ok && (resp.StatusCode == http.StatusForbidden || resp.ErrorCode == sr.ErrOperationNotPermitted.Code)
}

func (r *Registry) incompatible(ctx context.Context, subject string, resp *sr.ResponseError) *IncompatibleError {
	e := &IncompatibleError{Subject: subject, Reason: brief(resp.Error())}
	if resp.StatusCode != http.StatusConflict {
		e.Hint = "the registry finds the schema itself invalid; its own log may say more"
		return e
	}
	e.Level = r.levelOf(ctx, subject)
	under := "the subject's compatibility level"
	if e.Level != "" {
		under += " is " + e.Level + ": it"
	}
	e.Hint = fmt.Sprintf("%s forbids the change that was made in the org; set it to NONE for this subject"+
		" (PUT %s/config/%s), or point the channel at another topic, and start the channel again; nothing is lost meanwhile",
		under, r.bases[0], subject)
	return e
}

// brief keeps an error page from filling a log.
func brief(text string) string {
	const most = 1000
	text = strings.TrimSpace(text)
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
