package writeback

import (
	"encoding/json"
	"strconv"
	"strings"

	"sfbridge/salesforce"
)

// keys tells how an org compares the values of a field that tells rows apart.
type keys struct {
	field  string // by the org's own name
	id     bool   // record ids
	number bool
	fold   bool // ABC is abc
}

// keysOf says how the values of a field compare. Text is matched exactly unless
// the field is unique and takes no account of case (SOAP API guide, "upsert()").
func keysOf(object *salesforce.Object, field string) keys {
	k := keys{field: field, id: field == "Id"}
	if f, ok := object.Field(field); ok && !k.id {
		switch f.Type {
		case "int", "long", "double", "currency", "percent":
			k.number = true
		case "id", "reference":
			k.id = true
		default:
			k.fold = f.Unique && !f.CaseSensitive
		}
	}
	return k
}

// norm gives equal texts for values that are one key to the org.
func (k keys) norm(s string) string {
	switch {
	case k.id && len(s) == 18:
		return s[:15] // the rest is a checksum
	case k.number:
		return plainNumber(s)
	case k.fold:
		return strings.ToLower(strings.ToUpper(s)) // by both, for letters that have two small forms
	}
	return s
}

// plainNumber is the shortest plain form of a number, exactly: 38861788.0 and
// 3.8861788E7 are 38861788. What is no number stays as it is.
func plainNumber(s string) string {
	d, err := salesforce.Digits(json.Number(s))
	if err != nil {
		return s
	}
	if strings.Contains(d, ".") {
		d = strings.TrimRight(strings.TrimRight(d, "0"), ".")
	}
	if d == "-0" {
		return "0"
	}
	return d
}

// keyIndex finds the place of a row by its key as the org tells it.
type keyIndex struct {
	keys
	at map[string]int // by norm
	// rough has the places by what is left of a number that went through a
	// float, -1 where two keys share it. It is made once it is needed.
	rough map[float64]int
}

func newKeyIndex(k keys, size int) *keyIndex {
	return &keyIndex{keys: k, at: make(map[string]int, size)}
}

func (x *keyIndex) add(key string, place int) { x.at[x.norm(key)] = place }

// find gives the place of a key. Numbers were seen to come back as 3.8861788E7
// and 38861788.0, also in fields of text (C58), so a key that is not there as it
// is may be there as a number, if only one is.
func (x *keyIndex) find(key string) (place int, ok bool) {
	if place, ok = x.at[x.norm(key)]; ok || x.id {
		return place, ok
	}
	n, err := strconv.ParseFloat(key, 64)
	if err != nil {
		return 0, false
	}
	if x.rough == nil {
		x.rough = map[float64]int{}
		for k, place := range x.at {
			n, err := strconv.ParseFloat(k, 64)
			if err != nil {
				continue
			}
			if _, taken := x.rough[n]; taken {
				place = -1
			}
			x.rough[n] = place
		}
	}
	place, ok = x.rough[n]
	return place, ok && place >= 0
}
