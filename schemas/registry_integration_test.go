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
