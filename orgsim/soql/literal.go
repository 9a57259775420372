package soql

import (
	"regexp"
	"strings"
	"time"
)

var (
	numberForm = regexp.MustCompile(`^[+-]?(\d+(\.\d*)?|\.\d+)$`)
	dateForm   = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)
	stampForm  = regexp.MustCompile(`^\d{4}-\d\d-\d\dT`)
	timeForm   = regexp.MustCompile(`^\d\d:\d\d:\d\d(\.\d{1,3})?Z?$`)
)

// layouts of datetimes in queries: Z, an offset with and without colon, with
// and without a fraction (which Go reads after the seconds unasked).
var stampLayouts = []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05-0700"}

// maxDigits bounds number literals, so that comparing them stays cheap.
const maxDigits = 60

// number turns a numeric-looking token into a literal.
func number(src string, t token) (Literal, error) {
	lit := Literal{text: t.text, pos: t.pos}
	switch {
	case numberForm.MatchString(t.text):
		if len(t.text) > maxDigits {
			return lit, errorAt(src, t.pos, CodeNumberRange, "number %s is outside the valid range", t.text[:20])
		}
		lit.kind = litNumber
		return lit, nil
	case dateForm.MatchString(t.text):
		d, err := time.Parse(time.DateOnly, t.text)
		if err != nil {
			return lit, errorAt(src, t.pos, CodeMalformed, "Invalid date: %s", t.text)
		}
		lit.kind, lit.n = litDate, int64(dayOf(d))
		return lit, nil
	case stampForm.MatchString(t.text):
		for _, layout := range stampLayouts {
			if at, err := time.Parse(layout, t.text); err == nil {
				lit.kind, lit.n = litDateTime, at.UnixMilli()
				return lit, nil
			}
		}
		return lit, errorAt(src, t.pos, CodeMalformed, "Invalid datetime: %s", t.text)
	case timeForm.MatchString(t.text):
		at, err := time.Parse("15:04:05", strings.TrimSuffix(t.text, "Z"))
		if err != nil {
			return lit, errorAt(src, t.pos, CodeMalformed, "Invalid time: %s", t.text)
		}
		lit.kind, lit.n = litTime, at.Sub(at.Truncate(24*time.Hour)).Milliseconds()
		return lit, nil
	}
	return lit, errorAt(src, t.pos, CodeMalformed, "unexpected token: '%s'", t.text)
}

// dayOf counts days since the epoch, also before it.
func dayOf(t time.Time) int32 {
	t = t.UTC()
	midnight := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return int32(midnight.Unix() / 86400)
}
