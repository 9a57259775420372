package rows

import (
	"errors"

	"sfbridge/internal/flow"
)

// Codes that the org would have answered with (SOAP API guide, status codes):
// what is found here is told in the same words, so that whoever looks through
// dead letters need not care who found it.
const (
	codeTooLong  = "STRING_TOO_LONG"
	codePicklist = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
	codeRange    = "NUMBER_OUTSIDE_VALID_RANGE"
	codeID       = "MALFORMED_ID"
	codeType     = "INVALID_TYPE_ON_FIELD_IN_RECORD"
	codeField    = "INVALID_FIELD"
	codeArgument = "MISSING_ARGUMENT"
)

// coded is an error with the org's code for it.
type coded struct {
	code string
	error
}

func (e *coded) Unwrap() error { return e.error }

func withCode(code string, err error) error { return &coded{code, err} }

// codeOf is the org's code for an error, "" where it has none.
func codeOf(reason string, err error) string {
	if e, ok := errors.AsType[*coded](err); ok {
		return e.code
	}
	switch reason {
	case flow.BadValue:
		return codeType
	case flow.UnknownField:
		return codeField
	case flow.NoKey:
		return codeArgument
	}
	return ""
}
