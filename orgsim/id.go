package orgsim

import (
	"errors"
	"fmt"
)

// ErrMalformedID says that a text is no record id of 15 or 18 characters.
var ErrMalformedID = errors.New("malformed id")

const (
	idSuffixAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	base62Digits     = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// ID18 gives the 18-character form of a record id of 15 or 18 characters. The
// last three characters code the case of the first fifteen: per group of five
// one bit each for an upper-case letter. A suffix that does not fit fails.
func ID18(id string) (string, error) {
	if len(id) != 15 && len(id) != 18 {
		return "", fmt.Errorf("%w %.40q: want 15 or 18 characters", ErrMalformedID, id)
	}
	var suffix [3]byte
	for group := range 3 {
		bits := 0
		for i := range 5 {
			c := id[group*5+i]
			switch {
			case c >= 'A' && c <= 'Z':
				bits |= 1 << i
			case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			default:
				return "", fmt.Errorf("%w %.40q: want letters and digits", ErrMalformedID, id)
			}
		}
		suffix[group] = idSuffixAlphabet[bits]
	}
	if len(id) == 18 && id[15:] != string(suffix[:]) {
		return "", fmt.Errorf("%w %q: the last three characters do not fit", ErrMalformedID, id)
	}
	return id[:15] + string(suffix[:]), nil
}

// makeID builds the 18-character id of the n-th record of a key prefix; infix
// stands for the instance that made it.
func makeID(prefix, infix string, n uint64) string {
	var b [15]byte
	copy(b[:], prefix)
	copy(b[3:], infix)
	for i := len(b) - 1; i >= 3+len(infix); i-- {
		b[i] = base62Digits[n%62]
		n /= 62
	}
	id, err := ID18(string(b[:]))
	if err != nil {
		panic("orgsim: " + err.Error()) // prefixes and infix are checked when the org is made
	}
	return id
}
