package writeback

import (
	"errors"
	"time"

	"sfbridge/internal/backoff"
	"sfbridge/internal/flow"
	"sfbridge/salesforce"
)

// reasons are dead letters' reasons by the code of the org's refusal (SOAP API
// guide, status codes; REST API guide, error codes). Codes that are not here
// are flow.Rejected.
var reasons = map[string]string{
	"STRING_TOO_LONG":                               flow.BadValue,
	"NUMBER_OUTSIDE_VALID_RANGE":                    flow.BadValue,
	"INVALID_EMAIL_ADDRESS":                         flow.BadValue,
	"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST":       flow.BadValue,
	"INVALID_TYPE_ON_FIELD_IN_RECORD":               flow.BadValue,
	"JSON_PARSER_ERROR":                             flow.BadValue,
	"MALFORMED_ID":                                  flow.BadValue,
	"INVALID_CURRENCY_ISO":                          flow.BadValue,
	"INVALID_GOOGLE_DOCS_URL":                       flow.BadValue,
	"FIELD_INTEGRITY_EXCEPTION":                     flow.BadValue,
	"REQUIRED_FIELD_MISSING":                        flow.Validation,
	"FIELD_CUSTOM_VALIDATION_EXCEPTION":             flow.Validation,
	"FIELD_FILTER_VALIDATION_EXCEPTION":             flow.Validation,
	"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":          flow.Validation,
	"CANNOT_EXECUTE_FLOW_TRIGGER":                   flow.Validation,
	"CANNOT_CASCADE_PRODUCT_ACTIVE":                 flow.Validation,
	"DELETE_FAILED":                                 flow.Validation,
	"UNDELETE_FAILED":                               flow.Validation,
	"INVALID_STATUS":                                flow.Validation,
	"DUPLICATES_DETECTED":                           flow.DuplicateRule,
	"DUPLICATE_VALUE":                               flow.DuplicateRule,
	"DUPLICATE_EXTERNAL_ID":                         flow.Ambiguous,
	"ENTITY_IS_DELETED":                             flow.RowDeleted,
	"NOT_FOUND":                                     flow.NotFound,
	"INVALID_CROSS_REFERENCE_KEY":                   flow.NotFound,
	"INVALID_ID_FIELD":                              flow.NotFound,
	"MISSING_ARGUMENT":                              flow.NoKey,
	codeInvalidField:                                flow.UnknownField,
	"INVALID_FIELD_FOR_INSERT_UPDATE":               flow.UnknownField,
	"INSUFFICIENT_ACCESS":                           flow.Permission,
	"INSUFFICIENT_ACCESS_OR_READONLY":               flow.Permission,
	"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": flow.Permission,
	"CANNOT_INSERT_UPDATE":                          flow.Permission,
	"TRANSFER_REQUIRES_READ":                        flow.Permission,
	codeLocked:                                      flow.Locked,
	"TooManyLockFailure":                            flow.Locked,
	"ENTITY_IS_LOCKED":                              flow.Locked,
	"REQUEST_ENTITY_TOO_LARGE":                      flow.TooLarge,
	"MAXIMUM_SIZE_OF_ATTACHMENT":                    flow.TooLarge,
	"LIMIT_EXCEEDED":                                flow.TooLarge,
}

const (
	codeDeleted      = "ENTITY_IS_DELETED"
	codeLocked       = "UNABLE_TO_LOCK_ROW"
	codeInvalidField = "INVALID_FIELD"
	codeNoParent     = "INVALID_CROSS_REFERENCE_KEY"
	codeStorage      = "STORAGE_LIMIT_EXCEEDED"
)

// wholeObject has the codes that are about the object, the user or the org and
// not about a row: every row would fare alike, so none becomes a dead letter.
var wholeObject = map[string]bool{
	"INVALID_TYPE": true, "API_DISABLED_FOR_ORG": true, "API_CURRENTLY_DISABLED": true, "UNSUPPORTED_API_VERSION": true,
	"INVALID_LOGIN": true, "ORG_LOCKED": true, "INACTIVE_OWNER_OR_USER": true, "TRIAL_EXPIRED": true, "PASSWORD_LOCKOUT": true,
	codeStorage: true, "REQUEST_LIMIT_EXCEEDED": true, "SERVER_UNAVAILABLE": true, "INVALID_SESSION_ID": true, "ReadOnlyDMLException": true,
}

// perhapsRow has codes of failed calls that may be one row's doing: the call is
// made again with fewer rows, and alone the row has its attempts.
var perhapsRow = map[string]bool{
	codeLocked: true, "UNKNOWN_EXCEPTION": true, "INTERNAL_ERROR": true, "QUERY_TIMEOUT": true, "REQUEST_RUNNING_TOO_LONG": true,
	"TooManyLockFailure": true, "APEX_ERROR": true,
}

// refused makes a refusal of what the org said about one row.
func refused(e *salesforce.Error) *refusal {
	r := &refusal{reason: reasons[e.Code], class: e.Class(), cause: e, text: e.Error()}
	if r.reason == "" {
		r.reason = flow.Rejected
	}
	if e.Code == "LIMIT_EXCEEDED" { // of one row: waiting does not make it smaller
		r.class = salesforce.ClassData
	}
	return r
}

// asError finds what the org said.
func asError(err error) (*salesforce.Error, bool) {
	return errors.AsType[*salesforce.Error](err)
}

// parentTries is how often a row is tried whose parent is not there: another
// flow may be about to write it.
const parentTries = 3

// tries says how often a row may be tried that was refused so, 0 for no more.
func (r *refusal) tries(attempts int) int {
	switch {
	case r.class == salesforce.ClassTransient, r.class == salesforce.ClassAuth, r.class == salesforce.ClassRestart, r.class == salesforce.ClassLimit:
		return attempts
	case r.cause != nil && (r.cause.Code == codeNoParent || r.missingParent()):
		return min(parentTries, attempts)
	}
	return 0
}

// missingParent tells whether a refusal with the code for unknown fields is
// about a parent that no row has the external id of: the code is the same, but
// an unknown field is named, and this is told after a look at the fields.
func (r *refusal) missingParent() bool {
	return r.reason == flow.NotFound && r.class == salesforce.ClassData && r.cause.Code == codeInvalidField
}

// label names a refusal that may pass, in sfbridge_writeback_retries_total.
func (r *refusal) label() string {
	switch {
	case r.free:
		return "not_reached"
	case r.reason == flow.Locked:
		return "locked"
	case r.reason == flow.NotFound:
		return "no_parent"
	}
	return "refused"
}

// retries is the wait between attempts at one row.
func retries() backoff.Policy {
	return backoff.Policy{Base: 500 * time.Millisecond, Max: 30 * time.Second}
}
