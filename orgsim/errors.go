package orgsim

import (
	"errors"
	"fmt"
	"strings"
)

// The status codes of failed rows, spelt as the APIs spell them.
const (
	CodeRequiredFieldMissing  = "REQUIRED_FIELD_MISSING"
	CodeStringTooLong         = "STRING_TOO_LONG"
	CodeInvalidField          = "INVALID_FIELD"
	CodeInvalidFieldForWrite  = "INVALID_FIELD_FOR_INSERT_UPDATE"
	CodeInvalidType           = "INVALID_TYPE"
	CodeInvalidTypeOnField    = "INVALID_TYPE_ON_FIELD_IN_RECORD"
	CodeEntityIsDeleted       = "ENTITY_IS_DELETED"
	CodeDuplicateValue        = "DUPLICATE_VALUE"
	CodeDuplicateExternalID   = "DUPLICATE_EXTERNAL_ID"
	CodeInvalidCrossReference = "INVALID_CROSS_REFERENCE_KEY"
	CodeMalformedID           = "MALFORMED_ID"
	CodeNotFound              = "NOT_FOUND"
	CodeNumberOutsideRange    = "NUMBER_OUTSIDE_VALID_RANGE"
	CodeInvalidEmail          = "INVALID_EMAIL_ADDRESS"
	CodeRestrictedPicklist    = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
	CodeDeleteFailed          = "DELETE_FAILED"
	CodeUndeleteFailed        = "UNDELETE_FAILED"
	CodeJSONParserError       = "JSON_PARSER_ERROR"
	CodeInsufficientAccess    = "INSUFFICIENT_ACCESS_OR_READONLY"
	CodeUnableToLockRow       = "UNABLE_TO_LOCK_ROW"
	CodePlatformEventTooLarge = "PLATFORM_EVENT_SIZE_EXCEEDED"
)

// FieldError is the refusal of one row: a Salesforce status code, a message
// for people and the fields concerned.
type FieldError struct {
	Code    string
	Message string
	Fields  []string
}

// Error reads like CODE: message [fields].
func (e *FieldError) Error() string {
	if len(e.Fields) == 0 {
		return e.Code + ": " + e.Message
	}
	return e.Code + ": " + e.Message + " [" + strings.Join(e.Fields, ", ") + "]"
}

func fieldErr(code string, fields []string, format string, args ...any) *FieldError {
	return &FieldError{Code: code, Message: fmt.Sprintf(format, args...), Fields: fields}
}

// ErrClosed says that the org was closed.
var ErrClosed = errors.New("org is closed")
