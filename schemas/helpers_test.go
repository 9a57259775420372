package schemas_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

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

// All tests run where days begin at another time than in UTC, so that a date
// that passes through the local zone shows: C20.
func TestMain(m *testing.M) {
	time.Local = time.FixedZone("America/Sao_Paulo", -3*3600)
	m.Run()
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

// generic brings what the readers and we give to one form: numbers to int64,
// floats to text (NaN equals nothing, itself included), union tags away, of
// which the readers keep different ones.
func generic(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = generic(v[i])
		}
		return out
	case []string:
		out := make([]any, len(v))
		for i := range v {
			out[i] = v[i]
		}
		return out
	case object:
		out := make(object, len(v))
		for k, inner := range v {
			if len(v) == 1 && (tags[k] || strings.Contains(k, ".")) {
				return generic(inner)
			}
			out[k] = generic(inner)
		}
		return out
	case int:
		return int64(v)
	case int32:
		return int64(v)
	case float32, float64:
		return fmt.Sprint(v)
	case []byte:
		return string(v)
	}
	return v
}

var tags = map[string]bool{"boolean": true, "int": true, "long": true, "float": true, "double": true, "bytes": true, "string": true, "array": true, "map": true}

// object is a decoded record.
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
