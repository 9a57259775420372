package orgsim

import (
	"fmt"
	"strconv"
	"strings"
)

// maxDecimalDigits bounds what a decimal text may unfold to: the platform
// keeps 18 digits, and an exponent must not make megabytes of zeros.
const maxDecimalDigits = 400

// canonicalDecimal writes a decimal number without exponent, leading zeros or
// trailing zeros of the fraction: "-012.50" is "-12.5", "1e2" is "100".
func canonicalDecimal(text string) (string, error) {
	neg, intPart, frac, err := splitDecimal(text)
	if err != nil {
		return "", err
	}
	return joinDecimal(neg, intPart, frac), nil
}

// splitDecimal parses a decimal number into its digits before and after the
// point, the exponent applied.
func splitDecimal(text string) (neg bool, intPart, frac string, err error) {
	bad := func() (bool, string, string, error) {
		return false, "", "", fmt.Errorf("decimal %.40q: want digits with an optional point and exponent", text)
	}
	s := text
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg = s[0] == '-'
		s = s[1:]
	}
	exp := 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if exp, err = strconv.Atoi(s[i+1:]); err != nil || exp > maxDecimalDigits || exp < -maxDecimalDigits {
			return bad()
		}
		s = s[:i]
	}
	intPart, frac, _ = strings.Cut(s, ".")
	if intPart+frac == "" || !allDigits(intPart) || !allDigits(frac) || len(intPart)+len(frac) > maxDecimalDigits {
		return bad()
	}
	intPart, frac = shiftPoint(intPart, frac, exp)
	return neg, intPart, frac, nil
}

// shiftPoint moves the decimal point exp places to the right.
func shiftPoint(intPart, frac string, exp int) (string, string) {
	switch {
	case exp > 0:
		if pad := exp - len(frac); pad > 0 {
			frac += strings.Repeat("0", pad)
		}
		return intPart + frac[:exp], frac[exp:]
	case exp < 0:
		if pad := -exp - len(intPart); pad > 0 {
			intPart = strings.Repeat("0", pad) + intPart
		}
		cut := len(intPart) + exp
		return intPart[:cut], intPart[cut:] + frac
	}
	return intPart, frac
}

func joinDecimal(neg bool, intPart, frac string) string {
	intPart = strings.TrimLeft(intPart, "0")
	frac = strings.TrimRight(frac, "0")
	if intPart == "" {
		intPart = "0"
	}
	out := intPart
	if frac != "" {
		out += "." + frac
	}
	if neg && out != "0" {
		out = "-" + out
	}
	return out
}

// roundDecimal rounds canonical text to scale digits after the point, half
// away from zero: the platform cuts surplus decimals without a word.
func roundDecimal(text string, scale int) string {
	neg, intPart, frac, err := splitDecimal(text)
	if err != nil || len(frac) <= scale {
		return text
	}
	up := frac[scale] >= '5'
	digits := []byte(intPart + frac[:scale])
	if up {
		i := len(digits) - 1
		for ; i >= 0; i-- {
			if digits[i] != '9' {
				digits[i]++
				break
			}
			digits[i] = '0'
		}
		if i < 0 {
			digits = append([]byte{'1'}, digits...)
		}
	}
	cut := len(digits) - scale
	return joinDecimal(neg, string(digits[:cut]), string(digits[cut:]))
}

// integerDigits counts the digits before the point of canonical text.
func integerDigits(text string) int {
	text = strings.TrimPrefix(text, "-")
	intPart, _, _ := strings.Cut(text, ".")
	if intPart == "0" {
		return 0
	}
	return len(intPart)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
