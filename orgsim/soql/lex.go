package soql

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEOF     tokenKind = iota
	tokIdent             // a name, a keyword, or a path of names with dots
	tokString            // text holds the value, unescaped
	tokNumber            // also dates and datetimes, as written
	tokPunct             // ( ) , and the comparison operators
	tokDateLit           // NAME:n, such as LAST_N_DAYS:7
)

type token struct {
	kind tokenKind
	text string
	raw  string // a string literal as written between its quotes, for LIKE
	pos  int    // byte offset in the query
}

// is tells whether the token is the keyword or punctuation want (upper case).
func (t token) is(want string) bool {
	return (t.kind == tokIdent || t.kind == tokPunct) && strings.EqualFold(t.text, want)
}

// shown is how the token is quoted in messages.
func (t token) shown() string {
	if t.kind == tokEOF {
		return "<EOF>"
	}
	return t.text
}

// lex cuts a query into tokens, the last of which is tokEOF.
func lex(src string) ([]token, error) {
	var out []token
	for i := 0; i < len(src); {
		c := src[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '\'':
			tok, next, err := lexString(src, i)
			if err != nil {
				return nil, err
			}
			out = append(out, tok)
			i = next
		case isDigit(c) || (c == '-' || c == '+' || c == '.') && i+1 < len(src) && isDigit(src[i+1]):
			next := i + 1
			for next < len(src) && isNumberByte(src[next]) {
				next++
			}
			out = append(out, token{kind: tokNumber, text: src[i:next], pos: i})
			i = next
		case isNameStart(c):
			tok, next := lexName(src, i)
			out = append(out, tok)
			i = next
		default:
			tok, err := lexPunct(src, i)
			if err != nil {
				return nil, err
			}
			out = append(out, tok)
			i += len(tok.text)
		}
	}
	return append(out, token{kind: tokEOF, pos: len(src)}), nil
}

func lexPunct(src string, i int) (token, error) {
	for _, p := range []string{"!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ","} {
		if strings.HasPrefix(src[i:], p) {
			return token{kind: tokPunct, text: p, pos: i}, nil
		}
	}
	r, size := utf8.DecodeRuneInString(src[i:])
	if r == utf8.RuneError && size == 1 || unicode.IsControl(r) {
		return token{}, errorAt(src, i, CodeMalformed, "line contains an illegal character")
	}
	return token{}, errorAt(src, i, CodeMalformed, "unexpected token: '%s'", string(r))
}

// lexName reads a path such as Account.Owner.Name, or a date literal with a
// number, such as LAST_N_DAYS:30.
func lexName(src string, i int) (token, int) {
	next := i
	for next < len(src) && (isNameStart(src[next]) || isDigit(src[next]) || src[next] == '.') {
		next++
	}
	if next < len(src)-1 && src[next] == ':' && isDigit(src[next+1]) {
		end := next + 1
		for end < len(src) && isDigit(src[end]) {
			end++
		}
		return token{kind: tokDateLit, text: src[i:end], pos: i}, end
	}
	return token{kind: tokIdent, text: src[i:next], pos: i}, next
}

func lexString(src string, i int) (token, int, error) {
	var b strings.Builder
	for j := i + 1; j < len(src); j++ {
		switch src[j] {
		case '\'':
			return token{kind: tokString, text: b.String(), raw: src[i+1 : j], pos: i}, j + 1, nil
		case '\\':
			j++
			if j == len(src) {
				return token{}, 0, errorAt(src, i, CodeMalformed, "unexpected end of string literal")
			}
			c, ok := unescape(src[j])
			if !ok {
				return token{}, 0, errorAt(src, j-1, CodeMalformed, `Illegal character sequence '\%c' in string literal`, src[j])
			}
			b.WriteByte(c)
		default:
			b.WriteByte(src[j])
		}
	}
	return token{}, 0, errorAt(src, i, CodeMalformed, "unexpected end of string literal")
}

// unescape gives the character behind a backslash, from the table of SOQL's
// quoted string escapes. The wildcards of LIKE stand for themselves here.
func unescape(c byte) (byte, bool) {
	switch c {
	case 'n', 'N':
		return '\n', true
	case 'r', 'R':
		return '\r', true
	case 't', 'T':
		return '\t', true
	case 'b', 'B':
		return '\b', true
	case 'f', 'F':
		return '\f', true
	case '"', '\'', '\\', '_', '%':
		return c, true
	}
	return 0, false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isNameStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

// isNumberByte takes in all that numbers, dates and datetimes are made of.
func isNumberByte(c byte) bool {
	return isDigit(c) || c == '.' || c == ':' || c == '-' || c == '+' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
