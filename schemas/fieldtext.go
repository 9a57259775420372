package schemas

import (
	"fmt"
	"strconv"
)

// FieldText decodes a payload and gives the value of one top-level field as
// text, for use as a key: a string as it is, a number without exponent, a
// boolean as true or false. A field that is missing, null or a record is an
// error.
func (c *Codec) FieldText(payload []byte, field string) (string, error) {
	native, _, err := c.generic.NativeFromBinary(payload)
	if err != nil {
		return "", fmt.Errorf("decode event of schema %s: %w", c.id, err)
	}
	record, _ := native.(map[string]any)
	v, ok := record[field]
	if !ok {
		return "", fmt.Errorf("schema %s has no field %s", c.id, field)
	}
	if union, ok := v.(map[string]any); ok && len(union) == 1 { // goavro names the branch
		for _, inner := range union {
			v = inner
		}
	}
	switch v := v.(type) {
	case nil:
		return "", fmt.Errorf("field %s is null", field)
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int32:
		return strconv.FormatInt(int64(v), 10), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return "", fmt.Errorf("field %s is a %T, which is no key", field, v)
}
