package echo

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

// class is how the values of a field are compared. The writer knows it from the
// object's description and puts it into the announcement, so that a reader needs
// no description. The numbers stand in the topic: never give one a new meaning.
type class uint8

const (
	classText     class = 1
	classEmail    class = 2 // letters' case does not count: the org stores small ones
	classMulti    class = 3 // the order of values does not count
	classNumber   class = 4
	classBool     class = 5
	classDate     class = 6
	classDateTime class = 7 // whole seconds, which is what the org keeps
	classTime     class = 8
	// classDigest is the SHA-256 of a long text, which is all that an event tells
	// of it when it carries a difference (Change Data Capture guide, "Large Text
	// Field Changes").
	classDigest class = 9
)

func classOf(f *salesforce.Field) class {
	switch f.Type {
	case "double", "currency", "percent", "int", "long":
		return classNumber
	case "boolean":
		return classBool
	case "date":
		return classDate
	case "datetime":
		return classDateTime
	case "time":
		return classTime
	case "multipicklist":
		return classMulti
	case "email":
		return classEmail
	}
	return classText
}

// writtenHash is the hash of what is written into a field. A value that is not
// what its class says is hashed as the text that it is: it will match nothing.
func writtenHash(path string, f *salesforce.Field, v rows.Value, c class) uint64 {
	if v.Kind == rows.Null {
		return nullHash(path, c)
	}
	text := v.Text
	switch c {
	case classNumber:
		if n, ok := rounded(text, f.Scale, f.Type == "int" || f.Type == "long"); ok {
			return numberHash(path, n)
		}
	case classBool:
		return boolHash(path, text == "1" || strings.EqualFold(text, "true"))
	case classDate, classDateTime, classTime:
		if n, ok := clock(text, c); ok {
			return intHash(path, n)
		}
	}
	return textHash(path, text, c)
}

// eventHash is the hash of what an event carries: the text that
// schemas.Codec.FieldText gives. Dates and times are counts there: milliseconds
// since the epoch, or since midnight.
func eventHash(path, text string, c class) uint64 {
	switch c {
	case classNumber:
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return numberHash(path, n)
		}
	case classBool:
		return boolHash(path, text == "true")
	case classDate, classDateTime, classTime:
		if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
			return intHash(path, units(ms, c))
		}
	}
	return textHash(path, text, c)
}

// digestOf reads the digest of the new text from a difference: its second line
// is "+++ " and the SHA-256 in hex.
func digestOf(diff string) (digest [sha256.Size]byte, ok bool) {
	_, rest, _ := strings.Cut(diff, "\n")
	line, _, _ := strings.Cut(rest, "\n")
	text, found := strings.CutPrefix(line, "+++ ")
	raw, err := hex.DecodeString(strings.TrimSpace(text))
	if !found || err != nil || len(raw) != len(digest) {
		return digest, false
	}
	return [sha256.Size]byte(raw), true
}

// diffable is the length from which the org may send differences: 1,000
// characters, which are no fewer bytes.
const diffable = 1000

// rounded gives the number that the org makes of a decimal text: it rounds to
// the field's scale, halves away from zero.
func rounded(text string, scale int, whole bool) (float64, bool) {
	plain, err := salesforce.Digits(json.Number(text))
	if err != nil {
		return 0, false
	}
	if whole {
		scale = 0
	}
	if _, fraction, _ := strings.Cut(plain, "."); len(fraction) > scale {
		exact, ok := new(big.Rat).SetString(plain)
		if !ok {
			return 0, false
		}
		plain = exact.FloatString(scale)
	}
	n, err := strconv.ParseFloat(plain, 64)
	return n, err == nil
}

// clock reads a date, moment or time of day as package rows writes it.
func clock(text string, c class) (int64, bool) {
	if c == classTime {
		for _, layout := range [...]string{"15:04:05.999999999", "15:04"} {
			if t, err := time.Parse(layout, strings.TrimSuffix(text, "Z")); err == nil {
				return t.Sub(t.Truncate(24 * time.Hour)).Milliseconds(), true
			}
		}
		return 0, false
	}
	for _, layout := range [...]string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return units(t.UnixMilli(), c), true
		}
	}
	return 0, false
}

// units counts days, seconds, or milliseconds of a day.
func units(ms int64, c class) int64 {
	per := int64(1)
	switch c {
	case classDate:
		per = 24 * 60 * 60 * 1000
	case classDateTime:
		per = 1000
	}
	n := ms / per
	if ms%per < 0 {
		n--
	}
	return n
}

// The kinds of canonical values, hashed ahead of them so that a null and an
// empty text, or a date and a number, differ.
const (
	kindNull = iota
	kindText
	kindNumber
	kindBool
	kindInt
	kindDigest
	kindKey
	kindID
)

func nullHash(path string, c class) uint64 {
	if c == classBool {
		return boolHash(path, false) // a checkbox holds no null
	}
	return mix(start(path, kindNull))
}

func numberHash(path string, n float64) uint64 {
	if n == 0 {
		n = 0 // of both signs
	}
	var room [32]byte
	// Fifteen digits: all that a float is sure of, whatever the org computed with.
	return mix(add(start(path, kindNumber), strconv.AppendFloat(room[:0], n, 'e', 14, 64)))
}

func boolHash(path string, v bool) uint64 {
	h := start(path, kindBool)
	if v {
		h = step(h, 1)
	}
	return mix(h)
}

func intHash(path string, n int64) uint64 {
	var room [8]byte
	return mix(add(start(path, kindInt), binary.BigEndian.AppendUint64(room[:0], uint64(n))))
}

func textHash(path, text string, c class) uint64 {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return nullHash(path, c)
	case c == classEmail:
		text = strings.ToLower(text)
	case c == classMulti:
		text = inOrder(text)
	case strings.Contains(text, "\r"):
		text = strings.ReplaceAll(text, "\r\n", "\n")
	}
	return mix(add(start(path, kindText), text))
}

// digestHash is the hash of a long text that is known by its SHA-256.
func digestHash(path string, digest [sha256.Size]byte) uint64 {
	return mix(add(start(path, kindDigest), digest[:8]))
}

// inOrder sorts the values of a multi-select picklist.
func inOrder(text string) string {
	values := strings.Split(text, ";")
	for i := range values {
		values[i] = strings.TrimSpace(values[i])
	}
	slices.SortFunc(values, cmp.Compare[string])
	values = slices.DeleteFunc(slices.Compact(values), func(v string) bool { return v == "" })
	return strings.Join(values, ";")
}

func idHash(id string) uint64 { return mix(add(start("", kindID), id)) }

// FNV-1a, which any process of any version computes alike, with a last step that
// spreads it over all 64 bits.
func start(path string, kind byte) uint64 {
	return step(step(add(uint64(0xcbf29ce484222325), path), 0), kind)
}

func step(h uint64, b byte) uint64 { return (h ^ uint64(b)) * 0x100000001b3 }

func add[T string | []byte](h uint64, b T) uint64 {
	for i := range len(b) {
		h = step(h, b[i])
	}
	return h
}

func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// keyHash is the hash of an external id. Letters' case does not count: it tells
// rows apart only where the field says so, and then the org keeps it.
func keyHash(path, key string) uint64 {
	return mix(add(start(path, kindKey), strings.ToLower(strings.TrimSpace(key))))
}
