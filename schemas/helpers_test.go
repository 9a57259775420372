package schemas_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hamba/avro/v2"
	"github.com/linkedin/goavro/v2"

	"sfbridge/event"
	"sfbridge/schemas"
)

const (
	shipmentID  event.SchemaID = "0PdYXbHrk9VDi6r5EcwuzA"
	dockAlertID event.SchemaID = "ML1xvO1abEyAYOMHyAvgow"
)

func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var errLeftOver = errors.New("bytes are left over")

// payload reads a datum from a file of hex digits.
func payload(t testing.TB, name string) []byte {
	t.Helper()
	b, err := hex.DecodeString(string(bytes.TrimSpace([]byte(read(t, name+".hex")))))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func compile(t testing.TB, id event.SchemaID, text string) *schemas.Codec {
	t.Helper()
	c, err := schemas.Compile(id, text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func shipment(t testing.TB) *schemas.Codec { return compile(t, shipmentID, read(t, "shipment.avsc")) }
func account(t testing.TB) *schemas.Codec  { return compile(t, "", read(t, "account.avsc")) }

// readers are the Avro decoders that we did not write. Each gives a datum as
// generic JSON, so that they can be compared, and fails if bytes are left over.
func readers(t testing.TB, schema string) map[string]func([]byte) (any, error) {
	t.Helper()
	ga, err := goavro.NewCodec(schema)
	if err != nil {
		t.Fatal(err)
	}
	hs, err := avro.ParseWithCache(schema, "", &avro.SchemaCache{})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]func([]byte) (any, error){
		"goavro": func(b []byte) (any, error) {
			v, rest, err := ga.NativeFromBinary(b)
			if err == nil && len(rest) > 0 {
				err = errLeftOver
			}
			return generic(v), err
		},
		"hamba": func(b []byte) (any, error) {
			var v any
			r := avro.NewReader(nil, 0).Reset(b)
			r.ReadVal(hs, &v)
			if r.Error != nil && !errors.Is(r.Error, io.EOF) {
				return nil, r.Error
			}
			if r.Error == nil {
				if r.Peek(); r.Error == nil {
					return nil, errLeftOver
				}
			}
			return generic(v), nil
		},
	}
}

// generic brings decoded values into JSON's types.
func generic(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var out any
	if err := dec.Decode(&out); err != nil {
		return err
	}
	return untagged(out)
}

// untagged takes union tags away, of which the readers keep different ones.
func untagged(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = untagged(v[i])
		}
	case object:
		for k, inner := range v {
			_, primitive := primitives[k]
			if len(v) == 1 && (primitive || strings.Contains(k, ".")) {
				return untagged(inner)
			}
			v[k] = untagged(inner)
		}
	}
	return v
}

var primitives = map[string]bool{"boolean": true, "int": true, "long": true, "float": true, "double": true, "bytes": true, "string": true, "array": true, "map": true}

// object is a JSON object of a decoded datum.
type object = map[string]any

// decoded reads a datum with every independent reader, which have to agree.
func decoded(t testing.TB, schema string, datum []byte) object {
	t.Helper()
	var first object
	for name, read := range readers(t, schema) {
		v, err := read(datum)
		if err != nil {
			t.Fatalf("%s cannot decode %x: %v", name, datum, err)
		}
		o := v.(object)
		if first == nil {
			first = o
		} else if !reflect.DeepEqual(first, o) {
			t.Fatalf("the readers disagree:\n%v\n%v", first, o)
		}
	}
	return first
}

func base64URL(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func same(a, b any) bool { return reflect.DeepEqual(a, b) }
