package auth

import "strings"

// ID18 turns a record or org id of 15 characters, which needs its case to be
// unique, into the form of 18 that APIs answer with: the last three characters
// say which of the first 15 are upper case. An id of any other form comes back
// as it is.
func ID18(id string) string {
	if len(id) != 15 {
		return id
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	var b strings.Builder
	b.Grow(18)
	b.WriteString(id)
	for block := 0; block < 15; block += 5 {
		index := 0
		for i := range 5 {
			c := id[block+i]
			switch {
			case c >= 'A' && c <= 'Z':
				index |= 1 << i
			case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			default:
				return id
			}
		}
		b.WriteByte(alphabet[index])
	}
	return b.String()
}
