//go:build integration

package schemas_test

import (
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"sfbridge/schemas"
)

// realRegistry is the one that SFBRIDGE_TEST_REGISTRY names.
func realRegistry(t *testing.T) *schemas.Registry {
	t.Helper()
	url := os.Getenv("SFBRIDGE_TEST_REGISTRY")
	if url == "" {
		t.Fatal("SFBRIDGE_TEST_REGISTRY is not set: give the URL of a Schema Registry with Confluent's API," +
			" such as http://localhost:8081, or http://localhost:8080/apis/ccompat/v7 for Apicurio")
	}
	r, err := schemas.NewRegistry(schemas.RegistryConfig{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRealRegistry_Check(t *testing.T) {
	if err := realRegistry(t).Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestRealRegistry_WithoutItsPath_HintGivesThePath(t *testing.T) {
	url := os.Getenv("SFBRIDGE_TEST_REGISTRY")
	base, path, found := strings.Cut(url, "/apis/")
	if !found {
		t.Logf("%s has no path that could be left out", url)
		return
	}
	r, err := schemas.NewRegistry(schemas.RegistryConfig{URL: base})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "/apis/"+path) {
		t.Fatalf("%v; want a hint at %s", err, url)
	}
}

func TestRealRegistry_SchemaComesBack(t *testing.T) {
	subject := "sfbridge.test." + strconv.FormatInt(time.Now().UnixNano(), 36) + "-value"
	for _, file := range []string{"shipment.avsc", "account.avsc", "dock_alert.avsc"} {
		c := compile(t, "", read(t, file))
		id, err := realRegistry(t).Register(t.Context(), subject+file, c.Normalised())
		if err != nil {
			t.Fatal(err)
		}
		again, err := realRegistry(t).Register(t.Context(), subject+file, c.Normalised())
		if err != nil || again != id {
			t.Errorf("%s: the second time %d, %v; want %d", file, again, err, id)
		}
		text, err := realRegistry(t).Schema(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := schemas.Fingerprint(c.Normalised())
		if got, err := schemas.Fingerprint(text); err != nil || got != want {
			t.Errorf("%s: schema %d came back as %s, %v", file, id, text, err)
		}
	}
}

// C29 against a registry that means it.
func TestRealRegistry_IncompatibleChange_Refused(t *testing.T) {
	r := realRegistry(t)
	subject := "sfbridge.test." + strconv.FormatInt(time.Now().UnixNano(), 36) + "-value"
	setLevel(t, subject, "BACKWARD")
	const v1 = `{"type":"record","name":"R","fields":[{"name":"Score__c","type":["null","double"],"default":null}]}`
	if _, err := r.Register(t.Context(), subject, v1); err != nil {
		t.Fatal(err)
	}
	added := strings.Replace(v1, `"fields":[`, `"fields":[{"name":"New__c","type":["null","string"],"default":null},`, 1)
	if _, err := r.Register(t.Context(), subject, added); err != nil {
		t.Fatalf("a new field: %v", err)
	}
	_, err := r.Register(t.Context(), subject, strings.Replace(v1, `"double"`, `"string"`, 1))
	ie, ok := errors.AsType[*schemas.IncompatibleError](err)
	if !ok || ie.Reason == "" || ie.Level != "BACKWARD" {
		t.Fatalf("%#v; want an IncompatibleError with reason and level", err)
	}
	t.Log(err)
}

// setLevel gives a subject its compatibility level.
func setLevel(t *testing.T, subject, level string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, os.Getenv("SFBRIDGE_TEST_REGISTRY")+"/config/"+subject,
		strings.NewReader(`{"compatibility":"`+level+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("set the level of %s: %s", subject, resp.Status)
	}
}

// A registry that others built gives types, references and unknown ids as the
// decoder expects them.
func TestRealRegistry_Decode_TypesReferencesUnknownIDs(t *testing.T) {
	d := schemas.NewDecoder(realRegistry(t))
	subject := "sfbridge.test." + strconv.FormatInt(time.Now().UnixNano(), 36)
	client, err := sr.NewClient(sr.URLs(os.Getenv("SFBRIDGE_TEST_REGISTRY")))
	if err != nil {
		t.Fatal(err)
	}
	register := func(name string, s sr.Schema) schemas.ID {
		t.Helper()
		got, err := client.CreateSchema(t.Context(), subject+name, s)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return schemas.ID(got.ID)
	}
	register(".city", sr.Schema{Schema: `{"type":"record","name":"City","namespace":"a","fields":[{"name":"name","type":"string"}]}`})
	order := register(".order", sr.Schema{
		Schema:     `{"type":"record","name":"Order","fields":[{"name":"to","type":"a.City"}]}`,
		References: []sr.SchemaReference{{Name: "a.City", Subject: subject + ".city", Version: 1}},
	})
	object := register(".object", sr.Schema{Type: sr.TypeJSON, Schema: `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","title":"` + subject + `"}`})
	message := register(".message", sr.Schema{Type: sr.TypeProtobuf, Schema: "syntax = \"proto3\";\nmessage M { string a = 1; }\n"})

	if v, err := d.Decode(t.Context(), schemas.AppendFrame(nil, order, []byte{2, 'A'}), schemas.Auto); err != nil || !same(v, map[string]any{"to": map[string]any{"name": "A"}}) {
		t.Errorf("a schema that refers to another: %v, %v", v, err)
	}
	if v, err := d.Decode(t.Context(), schemas.AppendFrame(nil, object, []byte(`{"a":"b"}`)), schemas.Auto); err != nil || !same(v, map[string]any{"a": "b"}) {
		t.Errorf("JSON: %v, %v", v, err)
	}
	_, err = d.Decode(t.Context(), schemas.AppendFrame(nil, message, []byte("x")), schemas.Auto)
	if _, ok := errors.AsType[*schemas.SchemaError](err); !ok {
		t.Errorf("Protobuf: %v, want a *SchemaError", err)
	}
	unknown := schemas.AppendFrame(nil, 2_000_000_000, []byte("x"))
	if _, err = d.Decode(t.Context(), unknown, schemas.Auto); !schemas.Retryable(err) {
		t.Errorf("an unknown id: %v, want it retryable at first", err)
	}
	time.Sleep(5100 * time.Millisecond) // the registry is real, and so is its time
	_, err = d.Decode(t.Context(), unknown, schemas.Auto)
	if e, ok := errors.AsType[*schemas.LookupError](err); !ok || !e.Unknown {
		t.Errorf("an unknown id: %v, want it lasting after 5 s", err)
	}
	t.Log(err)
}
