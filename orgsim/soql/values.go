package soql

import (
	"cmp"
	"math/big"
	"strings"
	"unicode"
	"unicode/utf8"
)

// compareValues orders two values of one field, neither of them nil. Strings
// compare without case unless the field says otherwise.
func compareValues(f Field, a, b Value) int {
	switch a := a.(type) {
	case string:
		s, _ := b.(string)
		if f.CaseSensitive || f.Kind == ID {
			return cmp.Compare(a, s)
		}
		return compareFold(a, s)
	case bool:
		t, _ := b.(bool)
		return cmp.Compare(bit(a), bit(t))
	case Num:
		n, _ := b.(Num)
		return rat(string(a)).Cmp(rat(string(n)))
	}
	x, _ := ticks(a)
	y, _ := ticks(b)
	return cmp.Compare(x, y)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// rat reads decimal text for comparison; text that is no number counts as 0.
func rat(text string) *big.Rat {
	if len(text) > maxDigits || strings.ContainsAny(text, "eE/_xX") {
		return new(big.Rat)
	}
	if r, ok := new(big.Rat).SetString(text); ok {
		return r
	}
	return new(big.Rat)
}

// compareFold orders two strings by their lower-case letters.
func compareFold(a, b string) int {
	for a != "" && b != "" {
		ra, na := utf8.DecodeRuneInString(a)
		rb, nb := utf8.DecodeRuneInString(b)
		if ra != rb {
			if ra, rb = unicode.ToLower(ra), unicode.ToLower(rb); ra != rb {
				return cmp.Compare(ra, rb)
			}
		}
		a, b = a[na:], b[nb:]
	}
	return cmp.Compare(len(a), len(b))
}

// like compiles a pattern as written between its quotes: % is any run, _ any
// one character, \% and \_ the characters themselves. Case does not count.
func like(raw string) func(string) bool {
	const any, one = -1, -2
	var pattern []rune
	runes := []rune(raw)
	for i := 0; i < len(runes); i++ {
		switch c := runes[i]; {
		case c == '%':
			pattern = append(pattern, any)
		case c == '_':
			pattern = append(pattern, one)
		case c == '\\' && i+1 < len(runes):
			i++
			if r, ok := unescape(byte(runes[i])); ok && runes[i] < utf8.RuneSelf {
				pattern = append(pattern, unicode.ToLower(rune(r)))
			}
		default:
			pattern = append(pattern, unicode.ToLower(c))
		}
	}
	return func(s string) bool {
		text := []rune(s)
		p, t, star, mark := 0, 0, -1, 0
		for t < len(text) {
			switch {
			case p < len(pattern) && pattern[p] == any:
				star, mark = p, t
				p++
			case p < len(pattern) && (pattern[p] == one || pattern[p] == unicode.ToLower(text[t])):
				p++
				t++
			case star >= 0:
				mark++
				p, t = star+1, mark
			default:
				return false
			}
		}
		for p < len(pattern) && pattern[p] == any {
			p++
		}
		return p == len(pattern)
	}
}
