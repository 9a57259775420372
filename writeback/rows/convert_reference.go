package rows

import (
	"errors"
	"fmt"
	"strings"

	"sfbridge/salesforce"
	"sfbridge/salesforce/auth"
)

var errNoID = withCode(codeID, errors.New("not a record id: 15 letters and digits, or 18 of which the last three fit the others"))

// id18 gives a record id in its form of 18 characters. The kind of record that
// its first three tell is for the org to check.
func id18(s string) (string, error) {
	if len(s) != 15 && len(s) != 18 {
		return "", errNoID
	}
	full := auth.ID18(s[:15])
	if len(full) != 18 || len(s) == 18 && !strings.EqualFold(full[15:], s[15:]) {
		return "", errNoID
	}
	return full, nil
}

// recordID takes a record id.
func recordID(v any) (Kind, string, error) {
	s, ok := v.(string)
	if !ok {
		return 0, "", wrongKind(v, "a record id as text", "")
	}
	if s = strings.Trim(s, " "); s == "" {
		return Null, "", nil
	}
	id, err := id18(s)
	return Text, id, err
}

// referenceOf takes the id of the record that is referred to. References to
// external objects hold that object's own keys. A record type may be given by
// its name, which unlike its id is the same in every org.
func referenceOf(f *salesforce.Field) converter {
	if f.ExtraType == "externallookup" || f.ExtraType == "indirectlookup" {
		return textOf(f.Length)
	}
	return func(v any) (Kind, string, error) {
		kind, id, err := recordID(v)
		if err != nil && len(f.ReferenceTo) > 0 {
			err = fmt.Errorf("%w; to refer by an external id, map %s", err, viaParent(f))
		}
		return kind, id, err
	}
}

// viaParent is how a reference by external id is written as a target.
func viaParent(f *salesforce.Field) string {
	path := f.Relationship
	if path == "" {
		return "its relationship"
	}
	if len(f.ReferenceTo) > 1 {
		path = f.ReferenceTo[0] + ":" + path
	}
	return path + ".<external id field>"
}

// recordTypeOf takes the id of a record type, its developer name or its name.
func recordTypeOf(o *salesforce.Object) converter {
	return func(v any) (Kind, string, error) {
		s, ok := v.(string)
		if !ok {
			return recordID(v)
		}
		for _, name := range [...]func(*salesforce.RecordType) string{
			func(r *salesforce.RecordType) string { return r.DeveloperName },
			func(r *salesforce.RecordType) string { return r.Name },
		} {
			for i := range o.RecordTypes {
				r := &o.RecordTypes[i]
				switch {
				case name(r) != s || s == "":
				case !r.Available:
					return 0, "", errors.New("a record type that the integration user may not use")
				default:
					return Text, r.ID, nil
				}
			}
		}
		kind, id, err := recordID(v)
		if err != nil {
			err = errors.New("neither the id nor the name of a record type of " + o.Name)
		}
		return kind, id, err
	}
}
