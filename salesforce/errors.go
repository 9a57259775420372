package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"sfbridge/salesforce/auth"
)

// Error is what the org answered in place of a result.
type Error struct {
	Op         string // method and path of the request, without its query
	Status     int    // of the HTTP response
	Code       string // errorCode, such as INVALID_FIELD; empty if the answer was not REST's
	Message    string
	Fields     []string      // that the error is about, if it names any
	RetryAfter time.Duration // that the org asked for; 0 if it did not
	More       int           // further errors in the same answer
	Candidates []string      // ids of the records that an external id stands for, with DUPLICATE_EXTERNAL_ID of a single row

	fault bool // of SOAP, whose status is always 500 and says nothing
}

// Error gives request, code, message, fields and status.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op + ": ")
	if e.Code != "" {
		b.WriteString(e.Code + ": ")
	}
	if e.Message != "" {
		b.WriteString(e.Message + " ")
	}
	if len(e.Fields) > 0 {
		fmt.Fprintf(&b, "[%s] ", strings.Join(e.Fields, ", "))
	}
	fmt.Fprintf(&b, "(HTTP %d)", e.Status)
	if e.More > 0 {
		fmt.Fprintf(&b, " and %d more", e.More)
	}
	if len(e.Candidates) > 0 {
		b.WriteString(": " + strings.Join(e.Candidates, ", "))
	}
	if hint := e.hint(); hint != "" {
		b.WriteString("; " + hint)
	}
	return b.String()
}

// Class says what to do about an error.
type Class int

// The classes. Data is the zero value: an unknown refusal is not repeated.
const (
	ClassData      Class = iota // this request can never work as it is: data, schema or permission
	ClassTransient              // the same request may work later
	ClassLimit                  // a limit of the org is used up: wait longer, use less
	ClassAuth                   // the token was not taken
	ClassRestart                // begin the query or window again
)

// classes has the codes that are not ClassData (SOAP API guide, exception
// codes; REST API guide, status codes). Statuses decide for the rest.
var classes = map[string]Class{
	"INVALID_SESSION_ID":                    ClassAuth,
	"UNABLE_TO_LOCK_ROW":                    ClassTransient,
	"SERVER_UNAVAILABLE":                    ClassTransient,
	"QUERY_TIMEOUT":                         ClassTransient,
	"REQUEST_RUNNING_TOO_LONG":              ClassTransient,
	"UNKNOWN_EXCEPTION":                     ClassTransient,
	"INTERNAL_ERROR":                        ClassTransient,
	"TOO_MANY_APEX_REQUESTS":                ClassTransient,
	"API_CURRENTLY_DISABLED":                ClassTransient,
	"PLATFORM_EVENT_PUBLISHING_UNAVAILABLE": ClassTransient,
	"TooManyLockFailure":                    ClassTransient, // Bulk API
	"ALL_OR_NONE_OPERATION_ROLLED_BACK":     ClassTransient, // this and the next two: another record of the request was at fault
	"PROCESSING_HALTED":                     ClassTransient,
	"BATCH_PROCESSING_HALTED":               ClassTransient,
	codeRequestLimit:                        ClassLimit,
	"STORAGE_LIMIT_EXCEEDED":                ClassLimit,
	"LIMIT_EXCEEDED":                        ClassLimit,
	"INVALID_QUERY_LOCATOR":                 ClassRestart,
	"EXCEEDED_ID_LIMIT":                     ClassRestart,
	"INVALID_REPLICATION_DATE":              ClassRestart,
}

var hints = map[string]string{
	codeRequestLimit:           "the org's API calls are used up for now",
	"API_DISABLED_FOR_ORG":     "the org's edition has no API, or the user lacks the permission API Enabled",
	"UNSUPPORTED_API_VERSION":  "set api_version to one that the org serves",
	"INVALID_TYPE":             "check the object's name and the user's access to it",
	"INVALID_FIELD":            "check the field's name and the user's access to it",
	"INSUFFICIENT_ACCESS":      "give the user access to the object",
	"DUPLICATE_EXTERNAL_ID":    "make the external ID field unique, and merge the records that share the value",
	"INVALID_QUERY_LOCATOR":    "the query's cursor is gone: run the query again",
	"INVALID_REPLICATION_DATE": "the time span is outside of what the org keeps: read the object in full",
}

// Classify says what an error code means; the HTTP status decides where the
// code is unknown. In answers of many records the status is 200 and each
// record has a code.
func Classify(code string, status int) Class {
	if c, known := classes[code]; known {
		return c
	}
	switch status {
	case http.StatusUnauthorized:
		return ClassAuth
	case http.StatusRequestTimeout, 420, http.StatusTooManyRequests: // 420: the edge has no route for the host
		return ClassTransient
	}
	if status >= 500 {
		return ClassTransient
	}
	return ClassData
}

// Class says what to do about this error.
func (e *Error) Class() Class {
	if e.fault && e.Code != "" {
		return Classify(e.Code, http.StatusOK)
	}
	return Classify(e.Code, e.Status)
}

const codeRequestLimit = "REQUEST_LIMIT_EXCEEDED"

// Daily tells whether the org's API calls of 24 hours are used up. The same
// code and status stand for too many long calls at once, which passes within
// seconds; the name of the limit in the message is all that tells them apart
// ("TotalRequests", "ConcurrentRequests"). What names neither is taken for the
// graver one.
func (e *Error) Daily() bool {
	return e.Code == codeRequestLimit && !strings.Contains(e.Message, "ConcurrentRequests")
}

// Concurrent tells whether too many long calls are under way at once.
func (e *Error) Concurrent() bool { return e.Code == codeRequestLimit && !e.Daily() }

func (e *Error) hint() string {
	if e.Concurrent() {
		return "too many long calls are under way at once: make fewer of them side by side"
	}
	return hints[e.Code]
}

// Retryable tells whether the same request may work later with nothing
// changed and without harm. It is false for ErrUnknownOutcome: an insert that
// got no answer may have happened.
func Retryable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknownOutcome) {
		return false
	}
	if own, says := errors.AsType[interface {
		error
		Retryable() bool
	}](err); says {
		return own.Retryable()
	}
	if e, ok := errors.AsType[*Error](err); ok {
		c := e.Class()
		return c == ClassTransient || c == ClassLimit
	}
	if _, broken := errors.AsType[*answerError](err); broken {
		return false
	}
	if _, broken := errors.AsType[*sourceError](err); broken {
		return false
	}
	return auth.Retryable(err)
}

// RetryAfter returns how long the org asked to wait, and 0 if it did not.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// answerError is an answer that cannot be used: too long, or not what the API
// promises.
type answerError struct {
	op  string
	err error
}

func (e *answerError) Error() string { return e.op + ": " + e.err.Error() }
func (e *answerError) Unwrap() error { return e.err }

// sourceError is a request body that its source could not give.
type sourceError struct {
	op  string
	err error
}

func (e *sourceError) Error() string { return e.op + ": read body: " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }
