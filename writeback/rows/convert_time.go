package rows

import (
	"errors"
	"strings"
	"time"
)

// Dates, times and moments never pass through a time zone of this machine: a
// date is text from end to end, and a moment is known by its offset or not
// taken (C20 of the users' cases).
const momentLayout = "2006-01-02T15:04:05.000Z"

// date takes yyyy-MM-dd.
func date(v any) (Kind, string, error) {
	s, ok := v.(string)
	if !ok {
		return 0, "", wrongKind(v, "a date as text", "days(...) makes one of the days since 1970-01-01")
	}
	s = strings.Trim(s, " ")
	if s == "" {
		return Null, "", nil
	}
	if len(s) == len(time.DateOnly) {
		if _, err := time.Parse(time.DateOnly, s); err == nil {
			return Text, s, nil
		}
	}
	if _, err := moment(s); err == nil {
		return 0, "", errors.New("a moment where the field takes a date, which depends on the time zone: cut it in an expression, such as due[:10]")
	}
	return 0, "", errors.New("not a date in the form 2006-01-02")
}

// datetime takes RFC 3339, also with an offset without a colon, as Salesforce
// itself writes it.
func datetime(v any) (Kind, string, error) {
	s, ok := v.(string)
	if !ok {
		return 0, "", wrongKind(v, "a moment as text", "millis(...) or seconds(...) makes one of the time since 1970")
	}
	s = strings.Trim(s, " ")
	if s == "" {
		return Null, "", nil
	}
	t, err := moment(s)
	if err != nil {
		return 0, "", err
	}
	return Text, t.Format(momentLayout), nil
}

// moment reads a date with time and offset, and gives it in UTC.
func moment(s string) (time.Time, error) {
	if len(s) == len(time.DateOnly) {
		if _, err := time.Parse(time.DateOnly, s); err == nil {
			return time.Time{}, errors.New("a date where a moment is needed: say which one, such as due + 'T00:00:00Z'")
		}
	}
	if len(s) < len("2006-01-02T15:04:05") || s[10] != 'T' || s[13] != ':' {
		return time.Time{}, errNoMoment
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05-0700", s)
	}
	if err != nil {
		if _, local := time.Parse("2006-01-02T15:04:05", s); local == nil {
			return time.Time{}, errors.New("a moment without an offset, which is another one in each time zone: add it, such as at + 'Z'")
		}
		return time.Time{}, errNoMoment
	}
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, errors.New("a moment outside the years 1 to 9999")
	}
	return t, nil
}

var errNoMoment = errors.New("not a moment in the form 2006-01-02T15:04:05.000Z, or with an offset such as +02:00 in place of Z")

// timeOfDay takes hours and minutes, with seconds and their fraction or without.
func timeOfDay(v any) (Kind, string, error) {
	s, ok := v.(string)
	if !ok {
		return 0, "", wrongKind(v, "a time of day as text", "millis(...)[11:] makes one of the milliseconds since midnight")
	}
	s = strings.TrimSuffix(strings.Trim(s, " "), "Z")
	if s == "" {
		return Null, "", nil
	}
	for _, layout := range [...]string{"15:04:05", "15:04"} {
		if t, err := time.Parse(layout, s); err == nil && s[2] == ':' {
			return Text, t.Format("15:04:05.000Z"), nil
		}
	}
	return 0, "", errors.New("not a time of day in the form 15:04:05.000Z, in UTC")
}
