package schemas

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"sfbridge/event"
)

// Fingerprint computes the id that Salesforce gives a schema: the MD5 of its
// Parsing Canonical Form, in base64url without padding. Schemas that differ
// only in docs or defaults share one. (REST API guide, event schema resource;
// the hash rule was recomputed from documented ids.)
func Fingerprint(schemaJSON string) (event.SchemaID, error) {
	tree, err := parseTree(schemaJSON)
	if err != nil {
		return "", fmt.Errorf("parse schema: %w", err)
	}
	return fingerprint(tree), nil
}

func fingerprint(tree any) event.SchemaID {
	var form bytes.Buffer
	canonical(&form, tree, "")
	sum := md5.Sum(form.Bytes())
	return event.SchemaID(base64.RawURLEncoding.EncodeToString(sum[:]))
}

// canonicalKeys are the attributes that stay, in the order of the Avro
// specification, "Parsing Canonical Form for Schemas".
var canonicalKeys = [...]string{"name", "type", "fields", "symbols", "items", "values", "size"}

// canonical writes the canonical form of one type. It is lenient where Compile
// is not: the form of a broken schema is of no use, but does no harm.
func canonical(w *bytes.Buffer, tree any, ns string) {
	switch t := tree.(type) {
	case string:
		if primitives[t] == kindInvalid {
			t = fullName(t, ns)
		}
		writeString(w, t)
	case []any:
		canonicalList(w, t, func(item any) { canonical(w, item, ns) })
	case *object:
		canonicalObject(w, t, ns)
	}
}

func canonicalList(w *bytes.Buffer, list []any, write func(any)) {
	w.WriteByte('[')
	for i, item := range list {
		if i > 0 {
			w.WriteByte(',')
		}
		write(item)
	}
	w.WriteByte(']')
}

func canonicalObject(w *bytes.Buffer, o *object, ns string) {
	kindName, ok := o.get("type").(string)
	if !ok { // {"type": {…}}
		canonical(w, o.get("type"), ns)
		return
	}
	switch kindName {
	case "record", "error", "enum", "fixed":
		name := o.text("name")
		if own, ok := o.get("namespace").(string); ok && !strings.Contains(name, ".") {
			ns = own
		}
		full := fullName(name, ns)
		if i := strings.LastIndexByte(full, '.'); i >= 0 {
			ns = full[:i]
		} else {
			ns = ""
		}
		canonicalKeysOf(w, o, ns, full)
	case "array", "map":
		canonicalKeysOf(w, o, ns, "")
	default: // {"type": "long", …} is "long"
		canonical(w, kindName, ns)
	}
}

// canonicalKeysOf writes the attributes of a complex type or of a field, which
// name is "" for arrays and maps.
func canonicalKeysOf(w *bytes.Buffer, o *object, ns, name string) {
	w.WriteByte('{')
	sep := ""
	for _, key := range canonicalKeys {
		v := o.get(key)
		if key == "name" && name == "" || !o.has(key) {
			continue
		}
		w.WriteString(sep)
		sep = ","
		writeString(w, key)
		w.WriteByte(':')
		switch list, isList := v.([]any); {
		case key == "name":
			writeString(w, name)
		case key == "type":
			writeTree(w, v)
		case key == "fields" && isList:
			canonicalList(w, list, func(f any) { canonicalField(w, f, ns) })
		case key == "symbols" && isList:
			writeTree(w, list)
		case key == "size":
			writeSize(w, v)
		default:
			canonical(w, v, ns)
		}
	}
	w.WriteByte('}')
}

func canonicalField(w *bytes.Buffer, f any, ns string) {
	o, ok := f.(*object)
	if !ok {
		return
	}
	w.WriteString(`{"name":`)
	writeString(w, o.text("name"))
	w.WriteString(`,"type":`)
	canonical(w, o.get("type"), ns)
	w.WriteByte('}')
}

// writeSize writes an integer without quotes and leading zeros.
func writeSize(w *bytes.Buffer, v any) {
	if s, ok := v.(string); ok {
		v = json.Number(strings.TrimLeft(s, "0"))
	}
	writeTree(w, v)
}
