package writeback_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/internal/embedded"
	"sfbridge/internal/flow"
	"sfbridge/orgsim"
	"sfbridge/schemas"
)

const orderSchema = `{"type":"record","name":"Order","fields":[{"name":"id","type":"string"},{"name":"notes","type":["null","string"],"default":null}]}`

// registered registers the schema of orders the way others do, and gives its id.
func registered(t *testing.T, web *http.Client, url string) uint32 {
	t.Helper()
	body, err := json.Marshal(map[string]string{"schema": orderSchema})
	if err != nil {
		t.Fatal(err)
	}
	res, err := web.Post(url+"/subjects/"+source+"-value/versions", "application/vnd.schemaregistry.v1+json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ ID uint32 }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.ID == 0 {
		t.Fatalf("answer %s, %+v, %v", res.Status, answer, err)
	}
	return answer.ID
}

func TestFlow_RegistryAway_RecordsWait_UnknownSchemasDoNot(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		reg, err := embedded.StartRegistry(embedded.RegistryConfig{ListenFn: r.kafka.Net.Listen})
		if err != nil {
			t.Fatal(err)
		}
		defer reg.Close()
		id := registered(t, r.web, reg.URL())
		client, err := schemas.NewRegistry(schemas.RegistryConfig{URL: reg.URL(), HTTPClient: r.web})
		if err != nil {
			t.Fatal(err)
		}
		codec, err := goavro.NewCodec(orderSchema)
		if err != nil {
			t.Fatal(err)
		}
		avro := func(id uint32, key string) *kgo.Record {
			value, err := codec.BinaryFromNative(binary.BigEndian.AppendUint32([]byte{0}, id), map[string]any{"id": key, "notes": goavro.Union("string", "n")})
			if err != nil {
				t.Fatal(err)
			}
			return &kgo.Record{Topic: source, Key: []byte(key), Value: value}
		}
		var away atomic.Bool
		away.Store(true)
		reg.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			if away.Load() {
				http.Error(w, `{"error_code":50001,"message":"store away"}`, http.StatusInternalServerError)
			}
			return away.Load()
		})
		cfg := r.config()
		cfg.Decoder, cfg.Format = schemas.NewDecoder(client), schemas.Auto
		p := r.start(cfg)
		r.putRecords(avro(id, "A"), avro(id+77, "B"), &kgo.Record{Topic: source, Key: []byte("C"), Value: []byte(`{"id":"C"}`)})
		time.Sleep(2 * time.Minute)
		if st := p.flow.Status(); st.State != flow.BackingOff || !strings.Contains(p.flow.Problem(), "registry") {
			t.Errorf("status %+v, problem %q", st, p.flow.Problem())
		}
		if done, dead := r.outcomes(); len(done)+len(dead) > 0 {
			t.Errorf("results %v, dead letters %+v while the registry is away", done, dead)
		}
		away.Store(false)
		done, dead := r.settled(3, 5*time.Minute)
		if done[source+"/0/0"].Outcome != flow.Created || done[source+"/0/2"].Outcome != flow.Created || dead[source+"/0/1"].Reason != flow.Undecodable {
			t.Errorf("results %+v, dead letters %+v", done, dead)
		}
		if rows := r.rowsOf(); rows["A"].Get("Notes__c").Text() != "n" || p.flow.Problem() != "" {
			t.Errorf("rows %v, problem %q", rows, p.flow.Problem())
		}
		p.stop()
	})
}
