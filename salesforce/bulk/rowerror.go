package bulk

import (
	"net/http"
	"regexp"
	"strings"

	"sfbridge/salesforce"
)

var (
	codeForm   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
	fieldsForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]*(,? ?[A-Za-z][A-Za-z0-9_.]*)*$`)
)

// ParseRowError reads what the column sf__Error says of a row, which is
//
//	CODE:message, with colons, commas and line breaks:Field1,Field2 --
//
// The op names the row's job in the error. The status is 200, as for a record
// of a collections call, so that the code decides the class.
func ParseRowError(op, text string) *salesforce.Error {
	e := &salesforce.Error{Op: op, Status: http.StatusOK}
	rest, marked := strings.CutSuffix(strings.TrimSpace(text), "--")
	rest = strings.TrimRight(rest, " ")
	if code, after, found := strings.Cut(rest, ":"); found && codeForm.MatchString(strings.TrimSpace(code)) {
		e.Code, rest = strings.TrimSpace(code), after
	}
	if at := strings.LastIndexByte(rest, ':'); marked && at >= 0 {
		switch fields := rest[at+1:]; {
		case fields == "":
			rest = rest[:at]
		case fieldsForm.MatchString(fields):
			rest = rest[:at]
			e.Fields = strings.FieldsFunc(fields, func(r rune) bool { return r == ',' || r == ' ' })
		}
	}
	if e.Message = strings.TrimSpace(rest); e.Message == "" && e.Code == "" {
		e.Message = "the row failed and the org does not say why"
	}
	return e
}
