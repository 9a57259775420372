package rows

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sfbridge/salesforce"
)

// converter turns a value of a record, which is not nil, into the form that a
// field takes. Its error is a sentence with the remedy, and never shows the
// value.
type converter func(v any) (Kind, string, error)

// converterOf finds the converter for a field's type (SOAP API guide, "Field
// Types"). The types that no value can be written to have none.
func converterOf(f *salesforce.Field, labels bool) (converter, error) {
	switch f.Type {
	case "string", "textarea", "email", "url", "phone", "encryptedstring", "combobox", "anyType":
		return textOf(f.Length), nil
	case "picklist":
		return picklistOf(f, labels), nil
	case "multipicklist":
		return multipicklistOf(f, labels), nil
	case "boolean":
		return boolean, nil
	case "int":
		return integerOf("-2147483648", "2147483647"), nil
	case "long":
		return integerOf("-9223372036854775808", "9223372036854775807"), nil
	case "double", "currency", "percent":
		return decimalOf(f), nil
	case "date":
		return date, nil
	case "datetime":
		return datetime, nil
	case "time":
		return timeOfDay, nil
	case "reference":
		return referenceOf(f), nil
	case "id":
		return recordID, nil
	case "base64":
		return base64Text, nil
	}
	return nil, fmt.Errorf("fields of type %s cannot be written", f.Type)
}

// kindOf names what a record has in place of what a field takes.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case string:
		return "a text"
	case json.Number:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprintf("a %T", v)
}

func wrongKind(v any, want, remedy string) error {
	if remedy != "" {
		remedy = ": " + remedy
	}
	return fmt.Errorf("%s where the field takes %s%s", kindOf(v), want, remedy)
}

// boolean takes true and false, also as text in any case, and 0 and 1.
func boolean(v any) (Kind, string, error) {
	text := ""
	switch v := v.(type) {
	case bool:
		if v {
			return Bool, "true", nil
		}
		return Bool, "false", nil
	case string:
		text = v
	case json.Number:
		text, _ = canonical(v) // what is no number is none of these either
	default:
		return 0, "", wrongKind(v, "true or false", "")
	}
	switch {
	case text == "1", strings.EqualFold(text, "true"):
		return Bool, "true", nil
	case text == "0", strings.EqualFold(text, "false"):
		return Bool, "false", nil
	}
	return 0, "", errors.New("neither true nor false, nor 0 or 1: compare it in an expression, such as active == 'Y'")
}
