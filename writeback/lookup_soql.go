package writeback

import (
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxQuery is how long a query may be as a part of a URL. URL and headers may
// have 16,384 bytes together (REST API guide, "Status Codes", 414 and 431), and
// a token takes up to 2,000 of them.
const maxQuery = 12_000

// soqlText is a text as a literal of SOQL, whatever is in it (SOQL and SOSL
// reference, "Quoted String Escape Sequences"). Every value of a record that
// goes into a query goes through here.
func soqlText(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('\'')
	for _, r := range s { // what is not UTF-8 becomes U+FFFD, which no key is
		switch r {
		case '\'', '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// literal is a key as a literal of SOQL. ok is false for what cannot be a value
// of the field, and so is no row's key.
func (k keys) literal(key string) (text string, ok bool) {
	if !utf8.ValidString(key) || key == "" {
		return "", false
	}
	if !k.number {
		return soqlText(key), true
	}
	n := plainNumber(key)
	for _, c := range []byte(n) {
		if (c < '0' || c > '9') && c != '-' && c != '.' {
			return "", false
		}
	}
	return n, true
}

// lookup is a question about rows by their keys.
type lookup struct {
	object  string
	keys    keys
	fields  []string // beside Id and the key
	version string   // one of the fields
	all     bool     // rows in the recycle bin too
	where   string   // a further condition
}

// soql asks for the first of the keys, as many as one query takes, and tells how
// many they are. It is "" if none of them can be a key.
func (l *lookup) soql(wanted []string) (query string, n int) {
	fields := []string{"Id"}
	if l.keys.field != "Id" {
		fields = append(fields, l.keys.field)
	}
	head := fmt.Sprintf("SELECT %s FROM %s WHERE %s IN (", strings.Join(append(fields, l.fields...), ", "), l.object, l.keys.field)
	tail := ")"
	if l.where != "" {
		tail += " AND " + l.where
	}
	var b strings.Builder
	b.WriteString(head)
	size, first := len(url.QueryEscape(head+tail)), true
	for n < len(wanted) {
		text, ok := l.keys.literal(wanted[n])
		more := len(url.QueryEscape(text)) + len("%2C")
		if ok && !first && size+more > maxQuery {
			break
		}
		n++
		if !ok {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		b.WriteString(text)
		size, first = size+more, false
	}
	if first {
		return "", n
	}
	return b.String() + tail, n
}
