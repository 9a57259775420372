package rows

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sfbridge/salesforce"
)

// digitsOf is the plain decimal form of a number, or of text in the form that
// JSON has for numbers. Text as people of one country write it is refused: no
// reading of 1.234,56 is right for everybody (C53 of the users' cases).
func digitsOf(v any) (string, error) {
	var n json.Number
	switch v := v.(type) {
	case json.Number:
		n = v
	case string:
		n = json.Number(strings.Trim(v, " "))
	default:
		return "", wrongKind(v, "a number", "")
	}
	s, err := salesforce.Digits(n)
	if err != nil {
		return "", fmt.Errorf("%w: an expression can bring it into that form", err)
	}
	return s, nil
}

// canonical is the one form of a number: 38861788 for 3.8861788E7 and 38861788.0.
func canonical(n json.Number) (string, error) {
	s, err := salesforce.Digits(n)
	if err != nil {
		return "", err
	}
	if whole, fraction, found := strings.Cut(s, "."); found {
		if fraction = strings.TrimRight(fraction, "0"); fraction == "" {
			s = whole
		} else {
			s = whole + "." + fraction
		}
	}
	if s == "-0" {
		s = "0"
	}
	return s, nil
}

// emptyText tells whether a value is text that stands for null.
func emptyText(v any) bool {
	s, ok := v.(string)
	return ok && strings.Trim(s, " ") == ""
}

// integerOf takes whole numbers between two bounds.
func integerOf(low, high string) converter {
	return func(v any) (Kind, string, error) {
		if emptyText(v) {
			return Null, "", nil
		}
		s, err := digitsOf(v)
		if err != nil {
			return 0, "", err
		}
		if s, err = canonical(json.Number(s)); err != nil {
			return 0, "", err
		}
		if strings.Contains(s, ".") {
			return 0, "", errors.New("a fraction where the field takes whole numbers: round it in an expression")
		}
		bound := high
		if s[0] == '-' {
			bound = low
		}
		if len(s) > len(bound) || len(s) == len(bound) && s > bound {
			return 0, "", withCode(codeRange, fmt.Errorf("a number outside %s to %s", low, high))
		}
		return Number, s, nil
	}
}

// decimalOf takes numbers whose whole part fits. The org rounds what is too
// much behind the point, as it does for everybody.
func decimalOf(f *salesforce.Field) converter {
	whole := f.Precision - f.Scale
	checked := f.Precision > 0
	return func(v any) (Kind, string, error) {
		if emptyText(v) {
			return Null, "", nil
		}
		s, err := digitsOf(v)
		if err != nil {
			return 0, "", err
		}
		if n := wholeDigits(s); checked && n > whole {
			return 0, "", withCode(codeRange, fmt.Errorf("%d digits before the point, and the field holds %d", n, whole))
		}
		return Number, s, nil
	}
}

// wholeDigits counts the digits before the point; a single zero is none.
func wholeDigits(s string) int {
	s = strings.TrimPrefix(s, "-")
	if i := strings.IndexByte(s, '.'); i >= 0 {
		s = s[:i]
	}
	if s == "0" {
		return 0
	}
	return len(s)
}
