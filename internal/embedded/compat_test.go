package embedded_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"sfbridge/internal/embedded"
)

// startRegistry gives a registry and a client of it.
func startRegistry(t *testing.T, cfg embedded.RegistryConfig) (*embedded.Registry, *sr.Client) {
	t.Helper()
	r, err := embedded.StartRegistry(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	cl, err := sr.NewClient(sr.URLs(r.URL()))
	if err != nil {
		t.Fatal(err)
	}
	return r, cl
}

// row is a record Row in namespace n with the given fields.
func row(fields string) string {
	return `{"type":"record","name":"Row","namespace":"n","fields":[` + fields + `]}`
}

func TestRegister_CompatibilityLevels(t *testing.T) {
	const (
		a       = `{"name":"a","type":"int"}`
		aLong   = `{"name":"a","type":"long"}`
		aString = `{"name":"a","type":"string"}`
		bNull   = `{"name":"b","type":["null","int"],"default":null}`
		b       = `{"name":"b","type":["null","int"]}`
	)
	for _, c := range []struct {
		level    sr.CompatibilityLevel
		old, new string
		refusal  string // empty: accepted
	}{
		{sr.CompatBackward, row(a), row(a + "," + bNull), ""},
		{sr.CompatBackward, row(a), row(a + "," + b), "READER_FIELD_MISSING_DEFAULT_VALUE at /fields/1 (field b)"},
		{sr.CompatBackward, row(a + "," + b), row(a), ""},
		{sr.CompatBackward, row(a), row(aLong), ""},
		{sr.CompatBackward, row(aLong), row(a), "TYPE_MISMATCH at /fields/0/type/: int is not long (field a)"},
		{sr.CompatBackward, row(a), row(aString), "TYPE_MISMATCH"},
		{sr.CompatBackward, row(a), strings.Replace(row(a), "Row", "Other", 1), "NAME_MISMATCH"},
		{sr.CompatForward, row(aLong), row(a), ""},
		{sr.CompatForward, row(a), row(aLong), "version 1 cannot read"},
		{sr.CompatForward, row(a + "," + b), row(a), "version 1 cannot read data of the new schema: READER_FIELD_MISSING"},
		{sr.CompatFull, row(a), row(a + "," + bNull), ""},
		{sr.CompatFull, row(a), row(aLong), "version 1 cannot read"},
		{sr.CompatNone, row(a), row(aString), ""},
		{sr.CompatBackward, row(`{"name":"s","type":["null","double"]}`), row(`{"name":"s","type":["null","string"]}`), "MISSING_UNION_BRANCH at /fields/0/type/: the union has no branch for double (field s)"},
		{sr.CompatBackward, row(`{"name":"s","type":["null","string"]}`), row(`{"name":"s","type":["null","string","int"]}`), ""},
		{sr.CompatBackward, row(`{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}}`), row(`{"name":"e","type":{"type":"enum","name":"E","symbols":["B"]}}`), "MISSING_ENUM_SYMBOLS at /fields/0/type/symbols: A"},
		{sr.CompatBackward, row(`{"name":"f","type":{"type":"fixed","name":"F","size":4}}`), row(`{"name":"f","type":{"type":"fixed","name":"F","size":5}}`), "FIXED_SIZE_MISMATCH"},
		{sr.CompatBackward, row(`{"name":"m","type":{"type":"map","values":{"type":"array","items":"int"}}}`), row(`{"name":"m","type":{"type":"map","values":{"type":"array","items":"string"}}}`), "TYPE_MISMATCH at /fields/0/type/values/items/"},
		// a record that refers to itself, by its full and by its short name
		{sr.CompatBackward, row(a + `,{"name":"next","type":["null","Row"]}`), row(aLong + `,{"name":"next","type":["null","n.Row"]}`), ""},
		{sr.CompatBackward, row(a + `,{"name":"next","type":["null","Row"]}`), row(aString + `,{"name":"next","type":["null","n.Row"]}`), "TYPE_MISMATCH"},
	} {
		t.Run(fmt.Sprint(c.level, c.old, c.new), func(t *testing.T) {
			r, cl := startRegistry(t, embedded.RegistryConfig{})
			if err := r.SetCompatibility("s", c.level); err != nil {
				t.Fatal(err)
			}
			if _, err := cl.CreateSchema(t.Context(), "s", sr.Schema{Schema: c.old}); err != nil {
				t.Fatal(err)
			}
			asked, err := cl.CheckCompatibility(t.Context(), "s", -1, sr.Schema{Schema: c.new})
			if err != nil || asked.Is != (c.refusal == "") {
				t.Errorf("CheckCompatibility = %v, %v", asked.Is, err)
			}
			_, err = cl.CreateSchema(t.Context(), "s", sr.Schema{Schema: c.new})
			if c.refusal == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			re, ok := errors.AsType[*sr.ResponseError](err)
			if !ok || re.StatusCode != http.StatusConflict || !strings.Contains(re.Message, c.refusal) {
				t.Errorf("%v; want 409 with %q", err, c.refusal)
			}
		})
	}
}

func TestRegister_Transitive_LooksAtAllVersions(t *testing.T) {
	r, cl := startRegistry(t, embedded.RegistryConfig{})
	versions := []string{row(`{"name":"a","type":"string"}`), row(`{"name":"b","type":["null","int"],"default":null}`), row(`{"name":"a","type":["null","int"],"default":null}`)}
	for i, text := range versions {
		if err := r.SetCompatibility("s", sr.CompatBackwardTransitive); err != nil {
			t.Fatal(err)
		}
		_, err := cl.CreateSchema(t.Context(), "s", sr.Schema{Schema: text})
		if refused := i == 2; (err != nil) != refused {
			t.Errorf("version %d: %v", i+1, err)
		}
	}
	// What is there already is not put to the test again.
	if _, err := cl.CreateSchema(t.Context(), "s", sr.Schema{Schema: versions[0]}); err != nil {
		t.Errorf("the first version once more: %v", err)
	}
}

func TestRegister_AfterSubjectWasDeleted_Works(t *testing.T) {
	_, cl := startRegistry(t, embedded.RegistryConfig{})
	for range 2 {
		s, err := cl.CreateSchema(t.Context(), "s", sr.Schema{Schema: `"int"`})
		if err != nil || s.ID != 1 {
			t.Fatalf("id %d, %v; want 1", s.ID, err)
		}
		if _, err := cl.DeleteSubject(t.Context(), "s", sr.SoftDelete); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzRegister_AnyText_NoCrash(f *testing.F) {
	f.Add(row(`{"name":"a","type":"int"}`), row(`{"name":"a","type":["null","Row"]}`))
	f.Add(`{"type":{"type":"array","items":[]}}`, `{"type":"map"}`)
	f.Add(`[["null"],{"type":"enum","symbols":1}]`, `{"type":"record","fields":[1,{"name":2}]}`)
	f.Fuzz(func(t *testing.T, old, new string) {
		embedded.Unreadable(new, old)
		embedded.Unreadable(old, new)
	})
}
