package soql

import (
	"fmt"
	"strings"
)

// The codes that a query is refused with, as the REST API spells them.
const (
	CodeMalformed     = "MALFORMED_QUERY"
	CodeInvalidField  = "INVALID_FIELD"
	CodeInvalidType   = "INVALID_TYPE"
	CodeFilter        = "INVALID_QUERY_FILTER_OPERATOR"
	CodeNumberRange   = "NUMBER_OUTSIDE_VALID_RANGE"
	columnOnEntityTip = "If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. " +
		"Please reference your WSDL or the describe call for the appropriate names."
)

// Error is a refused query.
type Error struct {
	Code    string // MALFORMED_QUERY, INVALID_FIELD, ...
	Message string // with the offending line and a caret where the place is known
	Row     int    // 1-based; 0 when the place is not known
	Column  int    // 1-based, in characters
}

// Error gives the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// errorAt builds an error that shows the place, as Salesforce does: the line,
// a caret under the character, then the reason.
func errorAt(src string, pos int, code, format string, args ...any) *Error {
	reason := fmt.Sprintf(format, args...)
	pos = min(pos, len(src))
	start := strings.LastIndexByte(src[:pos], '\n') + 1
	line := src[start:]
	if i := strings.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	row := strings.Count(src[:start], "\n") + 1
	col := len([]rune(src[start:pos])) + 1
	msg := fmt.Sprintf("\n%s\n%s^\nERROR at Row:%d:Column:%d\n%s", line, strings.Repeat(" ", col-1), row, col, reason)
	return &Error{Code: code, Message: msg, Row: row, Column: col}
}
