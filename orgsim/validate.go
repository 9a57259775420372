package orgsim

import (
	"strconv"
	"strings"
	"unicode/utf16"
)

// checkWrite turns the values that a caller gives into stored values, or says
// why one is refused.
func (tx *Tx) checkWrite(t *table, given map[string]Value, create bool) (map[string]Value, error) {
	out := make(map[string]Value, len(given)+8)
	for name, v := range given {
		f := t.def.Field(name)
		if f == nil {
			return nil, fieldErr(CodeInvalidField, []string{name}, "No such column '%s' on sobject of type %s", name, t.def.Name)
		}
		if !tx.system && (create && !f.Createable() || !create && !f.Updateable()) {
			return nil, fieldErr(CodeInvalidFieldForWrite, []string{f.Name},
				"Unable to create/update fields: %s. Please check the security settings of this field and verify that it is "+
					"read/write for your profile or permission set.", f.Name)
		}
		stored, err := tx.checkValue(f, v)
		if err != nil {
			return nil, err
		}
		if stored.IsNull() && !f.Nillable() {
			if stored, err = nullForRequired(f, create); err != nil {
				return nil, err
			}
		}
		out[f.Name] = stored
	}
	return out, nil
}

// nullForRequired says what null means in a field that cannot hold it.
func nullForRequired(f *FieldDef, create bool) (Value, error) {
	if f.Type == TypeBoolean {
		return Value{}, fieldErr(CodeInvalidTypeOnField, []string{f.Name}, "%s: value not of required type: null", f.Label)
	}
	if create && f.DefaultedOnCreate {
		return Value{}, nil
	}
	return Value{}, fieldErr(CodeRequiredFieldMissing, []string{f.Name}, "Required fields are missing: [%s]", f.Name)
}

// checkRequired names every required field that a new row leaves empty.
func checkRequired(def *ObjectDef, r *Record) error {
	var missing []string
	for _, f := range def.Fields {
		if f.Type == TypeSwitchablePerson && !r.fields["LastName"].IsNull() {
			continue // a person's name is its parts
		}
		if f.Required && f.Createable() && !f.DefaultedOnCreate && r.fields[f.Name].IsNull() {
			missing = append(missing, f.Name)
		}
	}
	if missing == nil {
		return nil
	}
	return fieldErr(CodeRequiredFieldMissing, missing, "Required fields are missing: [%s]", strings.Join(missing, ", "))
}

// checkValue converts one value to the field's stored kind and checks it.
func (tx *Tx) checkValue(f *FieldDef, v Value) (Value, error) {
	v, err := f.convert(v)
	if err != nil || v.IsNull() {
		return v, err
	}
	switch f.Type.Kind() {
	case KindString:
		return tx.checkText(f, v)
	case KindDecimal:
		return checkNumber(f, v)
	case KindInt:
		if f.Type == TypeInt && v.num != int64(int32(v.num)) {
			return v, outOfRange(f)
		}
	case KindDateTime:
		v.num = floorDiv(v.num, 1000) * 1000 // stored precision is one second
	}
	return v, nil
}

// convert reads values of another kind through their text form, so that each
// API may hand in what it has.
func (f *FieldDef) convert(v Value) (Value, error) {
	want := f.Type.Kind()
	if v.IsNull() || v.kind == want {
		return v, nil
	}
	if want == KindNull {
		return v, f.badValue(v.String())
	}
	if want == KindString && v.kind != KindString {
		return String(v.String()), nil
	}
	return f.FromText(v.String())
}

func (tx *Tx) checkText(f *FieldDef, v Value) (Value, error) {
	s := v.text
	if f.Type.IsLongText() {
		s = strings.Trim(s, " ")
	} else {
		s = strings.TrimSpace(s) // leading and trailing blanks are trimmed in stored values
	}
	v = String(s)
	if v.IsNull() {
		return v, nil
	}
	if f.Type == TypeReference {
		return tx.checkReference(f, s)
	}
	if f.Type == TypeID {
		return checkedID(f, s)
	}
	if f.Length > 0 && len(s) > f.Length && utf16Len(s) > f.Length {
		return v, fieldErr(CodeStringTooLong, []string{f.Name}, "%s: data value too large: %.80s (max length=%d)", f.Label, s, f.Length)
	}
	if f.Type == TypeEmail && !plausibleEmail(s) {
		return v, fieldErr(CodeInvalidEmail, []string{f.Name}, "%s: invalid email address: %.80s", f.Label, s)
	}
	if f.Restricted {
		return v, checkPicklist(f, s)
	}
	return v, nil
}

func checkedID(f *FieldDef, s string) (Value, error) {
	id, err := ID18(s)
	if err != nil {
		return Value{}, fieldErr(CodeMalformedID, []string{f.Name}, "%s: id value of incorrect type: %.40s", f.Label, s)
	}
	return String(id), nil
}

// checkReference wants the id of a live row of a right object.
func (tx *Tx) checkReference(f *FieldDef, s string) (Value, error) {
	v, err := checkedID(f, s)
	if err != nil {
		return v, err
	}
	for _, object := range f.ReferenceTo {
		t := tx.org.tables[object]
		if t == nil || !strings.HasPrefix(v.text, t.def.KeyPrefix) {
			continue
		}
		switch r := t.rows[v.text]; {
		case r == nil:
			return v, fieldErr(CodeInvalidCrossReference, []string{f.Name}, "invalid cross reference id")
		case r.Deleted:
			return v, fieldErr(CodeEntityIsDeleted, []string{f.Name}, "entity is deleted")
		}
		return v, nil
	}
	return v, fieldErr(CodeMalformedID, []string{f.Name}, "%s: id value of incorrect type: %s", f.Label, s)
}

func checkNumber(f *FieldDef, v Value) (Value, error) {
	v.text = roundDecimal(v.text, f.Scale)
	if integerDigits(v.text) > f.Precision-f.Scale {
		return v, outOfRange(f)
	}
	limit := map[string]float64{"Latitude": 90, "Longitude": 180}[f.Component]
	if n := v.Float64(); limit > 0 && (n > limit || n < -limit) {
		return v, outOfRange(f)
	}
	return v, nil
}

func outOfRange(f *FieldDef) *FieldError {
	return fieldErr(CodeNumberOutsideRange, []string{f.Name}, "%s: value outside of valid range on numeric field", f.Label)
}

func checkPicklist(f *FieldDef, s string) error {
	for _, choice := range strings.Split(s, ";") {
		ok := false
		for _, p := range f.Picklist {
			ok = ok || p.Value == choice && !p.Inactive
		}
		if !ok || f.Type == TypePicklist && choice != s {
			return fieldErr(CodeRestrictedPicklist, []string{f.Name}, "%s: bad value for restricted picklist field: %.80s", f.Label, s)
		}
	}
	return nil
}

// checkUnique refuses a value that another live row holds.
func checkUnique(t *table, r *Record) error {
	for name, keys := range t.index {
		f := t.def.Field(name)
		v := r.fields[name]
		if !f.Unique || v.IsNull() {
			continue
		}
		for _, id := range keys[indexKey(f, v)] {
			if id != r.ID {
				return fieldErr(CodeDuplicateValue, []string{name}, "duplicate value found: %s duplicates value on record with id: %s", name, id)
			}
		}
	}
	return nil
}

func utf16Len(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

func plausibleEmail(s string) bool {
	local, host, ok := strings.Cut(s, "@")
	return ok && local != "" && strings.Contains(host, ".") && !strings.ContainsAny(s, " \t\r\n,;<>") &&
		!strings.HasPrefix(host, ".") && !strings.HasSuffix(host, ".") && !strings.Contains(host, "@")
}

// autoNumber renders a format such as ORD-{000000}.
func autoNumber(format string, n uint64) string {
	before, rest, ok := strings.Cut(format, "{")
	digits, after, ok2 := strings.Cut(rest, "}")
	s := strconv.FormatUint(n, 10)
	if !ok || !ok2 {
		return format + s
	}
	if pad := len(digits) - len(s); pad > 0 {
		s = strings.Repeat("0", pad) + s
	}
	return before + s + after
}
