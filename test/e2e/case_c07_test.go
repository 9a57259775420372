package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"sfbridge/orgsim"
	"sfbridge/schemas"
)

// TestC07_PublishedRecords_ArePlainAsJSON_AndComeBackTheSame shows every kind
// of record as JSON, without the tags that Avro's own JSON puts on unions, and
// makes the same bytes of it again.
func TestC07_PublishedRecords_ArePlainAsJSON_AndComeBackTheSame(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 7001}, func(s *system) {
		r := s.start(s.config())
		r.readyWithin(10 * time.Second)
		if _, err := s.sb.Org.Work(context.Background(), orgsim.WorkConfig{Rate: 100, Seed: 7, Changes: 300}); err != nil {
			t.Fatal(err)
		}
		s.completeWithin(time.Minute)
		codecs := make(map[schemas.ID]*schemas.Codec)
		for _, rec := range s.records() {
			id, payload, err := schemas.ParseFrame(rec.Value)
			if err != nil {
				t.Fatal(err)
			}
			if codecs[id] == nil {
				if codecs[id], err = schemas.Compile("", s.schemaText(uint32(id))); err != nil {
					t.Fatal(err)
				}
			}
			text, err := codecs[id].JSON(payload)
			if err != nil {
				t.Fatal(err)
			}
			var values map[string]any
			dec := json.NewDecoder(bytes.NewReader(text))
			dec.UseNumber()
			if err := dec.Decode(&values); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if tag := tagIn(values); tag != "" {
				t.Fatalf("tag %s in %s", tag, text)
			}
			if h, ok := values["ChangeEventHeader"].(map[string]any); ok {
				if want := header(rec, "ce_type"); !strings.HasSuffix(want, "."+h["changeType"].(string)) {
					t.Errorf("changeType %v of %s", h["changeType"], want)
				}
			}
			again, err := codecs[id].AppendValues(nil, values)
			if err != nil || !bytes.Equal(again, payload) {
				t.Fatalf("%v: %s\ncomes back as %x\nnot %x", err, text, again, payload)
			}
		}
		if len(codecs) != len(channels) {
			t.Errorf("%d schemas, want one for each of %d channels", len(codecs), len(channels))
		}
		r.stop()
	})
}

// tagIn finds the name of a union's branch around a value.
func tagIn(v any) string {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			switch {
			case strings.HasPrefix(k, "com.sforce."), k == "string", k == "double", k == "long", k == "int", k == "boolean":
				return k
			}
			if tag := tagIn(inner); tag != "" {
				return tag
			}
		}
	case []any:
		for _, inner := range v {
			if tag := tagIn(inner); tag != "" {
				return tag
			}
		}
	}
	return ""
}
