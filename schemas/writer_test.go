package schemas_test

import (
	"errors"
	"net/http"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"sfbridge/schemas"
)

func TestDecode_SchemaThatRefersToOthers(t *testing.T) {
	fake := srfake.NewRegistry()
	defer fake.Close()
	fake.SeedSchema("city", 1, 1, sr.Schema{Schema: `{"type":"record","name":"City","namespace":"a","fields":[{"name":"name","type":"string"}]}`})
	city := sr.SchemaReference{Name: "a.City", Subject: "city", Version: 1}
	fake.SeedSchema("street", 1, 2, sr.Schema{
		Schema: `{"type":"record","name":"Street","namespace":"a","fields":[{"name":"city","type":"City"}]}`, References: []sr.SchemaReference{city},
	})
	street := sr.SchemaReference{Name: "a.Street", Subject: "street", Version: 1}
	fake.SeedSchema("order", 1, 3, sr.Schema{
		Schema:     `{"type":"record","name":"Order","fields":[{"name":"to","type":"a.Street"},{"name":"from","type":["null","a.City"]}]}`,
		References: []sr.SchemaReference{street, city},
	})
	d := schemas.NewDecoder(fakeRegistry(t, fake.Handler(), nil))
	got, err := d.Decode(t.Context(), schemas.AppendFrame(nil, 3, []byte{2, 'A', 2, 2, 'B'}), schemas.Avro)
	if want := (object{"to": object{"city": object{"name": "A"}}, "from": object{"name": "B"}}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

// A registry that is away, ill, or shuts us out is not the record's fault.
func TestDecode_RegistryFails_Retryable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := http.StatusServiceUnavailable
		asked := 0
		fake := srfake.NewRegistry()
		fake.SeedSchema("s", 1, 1, sr.Schema{Schema: field(`"int"`)})
		fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			asked++
			if status == 0 {
				return false
			}
			w.WriteHeader(status)
			w.Write([]byte(`{"error_code":1,"message":"no"}`))
			return true
		})
		d := schemas.NewDecoder(fakeRegistry(t, fake.Handler(), nil))
		value := schemas.AppendFrame(nil, 1, []byte{2})
		for _, status = range []int{503, 500, 429, 401, 403, 404, 400} { // 404 without the registry's code: a wrong address
			before := asked
			for range 3 {
				if _, err := d.Decode(t.Context(), value, schemas.Auto); !schemas.Retryable(err) {
					t.Errorf("status %d: %v is not retryable", status, err)
				}
			}
			if asked > before+3 { // franz-go's client asks again by itself
				t.Errorf("status %d: asked %d times in one second", status, asked-before)
			}
			time.Sleep(10 * time.Second)
		}
		status = 0
		if v, err := d.Decode(t.Context(), value, schemas.Auto); err != nil || !reflect.DeepEqual(v, object{"v": num("1")}) {
			t.Errorf("afterwards: %v, %v", v, err)
		}
	})
}

// A registry's follower learns of a schema late: an unknown id counts when it is
// unknown some seconds later.
func TestDecode_UnknownID_LastingAfterSomeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := srfake.NewRegistry()
		d := schemas.NewDecoder(fakeRegistry(t, fake.Handler(), nil))
		late, never := schemas.AppendFrame(nil, 1, []byte{2}), schemas.AppendFrame(nil, 2, []byte{2})
		for range 2 {
			if _, err := d.Decode(t.Context(), late, schemas.Auto); !schemas.Retryable(err) {
				t.Errorf("at first: %v is not retryable", err)
			}
			if _, err := d.Decode(t.Context(), never, schemas.Auto); !schemas.Retryable(err) {
				t.Errorf("at first: %v is not retryable", err)
			}
			time.Sleep(2 * time.Second)
		}
		fake.SeedSchema("s", 1, 1, sr.Schema{Schema: field(`"int"`)})
		time.Sleep(2 * time.Second)
		if _, err := d.Decode(t.Context(), late, schemas.Auto); err != nil {
			t.Errorf("a schema that came late: %v", err)
		}
		_, err := d.Decode(t.Context(), never, schemas.Auto)
		if e, ok := errors.AsType[*schemas.LookupError](err); !ok || !e.Unknown || schemas.Retryable(err) {
			t.Errorf("after six seconds: %v, want a lasting error", err)
		}
	})
}
