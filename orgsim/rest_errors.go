package orgsim

import (
	"errors"
	"net/http"

	"sfbridge/orgsim/soql"
)

// apiError is a refusal of the data API: an HTTP status and, in the body, an
// array with one object.
type apiError struct {
	Status  int      `json:"-"`
	Message string   `json:"message"`
	Code    string   `json:"errorCode"`
	Fields  []string `json:"fields,omitzero"`
	Body    any      `json:"-"` // instead of the array; for 300
}

// Error gives code and message.
func (e *apiError) Error() string { return e.Code + ": " + e.Message }

func errNotFound() *apiError {
	return &apiError{Status: http.StatusNotFound, Code: CodeNotFound, Message: "The requested resource does not exist"}
}

func badRequest(code, message string, fields ...string) *apiError {
	return &apiError{Status: http.StatusBadRequest, Code: code, Message: message, Fields: fields}
}

// statusOf gives the HTTP status of a row's status code; most are 400.
func statusOf(code string) int {
	switch code {
	case CodeEntityIsDeleted, CodeNotFound:
		return http.StatusNotFound
	case CodeInsufficientAccess, "REQUEST_LIMIT_EXCEEDED":
		return http.StatusForbidden
	case "INVALID_SESSION_ID":
		return http.StatusUnauthorized
	case "SERVER_UNAVAILABLE", "TOO_MANY_APEX_REQUESTS", "API_CURRENTLY_DISABLED":
		return http.StatusServiceUnavailable
	case "UNKNOWN_EXCEPTION", "INTERNAL_ERROR":
		return http.StatusInternalServerError
	case "UNSUPPORTED_API_VERSION":
		return http.StatusGone
	}
	return http.StatusBadRequest
}

// asAPIError turns whatever a resource returned into what the client gets.
func asAPIError(err error) *apiError {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*FieldError](err); ok {
		fields := e.Fields
		if fields == nil {
			fields = []string{}
		}
		return &apiError{Status: statusOf(e.Code), Code: e.Code, Message: e.Message, Fields: fields}
	}
	if e, ok := errors.AsType[*soql.Error](err); ok {
		return badRequest(e.Code, e.Message)
	}
	return &apiError{Status: http.StatusInternalServerError, Code: "UNKNOWN_EXCEPTION", Message: err.Error()}
}

// fail answers with the error.
func (c *call) fail(err error) {
	e := asAPIError(err)
	c.w.call.ErrorCode = e.Code
	var body any = []*apiError{e}
	if e.Body != nil {
		body = e.Body
	}
	_ = c.json(e.Status, body) // writing is all that can fail, and nobody is left to tell
}
