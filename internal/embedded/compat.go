package embedded

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"
)

// srfake calls every schema compatible; a registry that never refuses would let
// a demo or a test pass that fails in production. The rules here are those of
// the Avro specification, "Schema Resolution", under Confluent's levels.

// incompatibilities lists what forbids schema as the next version of subject,
// or is empty.
func (r *Registry) incompatibilities(req *http.Request, subject string, schema sr.Schema) []string {
	if schema.Type != sr.TypeAvro || len(schema.References) > 0 || r.isVersion(req, subject, schema) {
		return nil
	}
	level := r.levelOf(req, subject)
	backward, forward, transitive := directions(level)
	var reasons []string
	for _, old := range r.versionsToCheck(req, subject, transitive) {
		if backward {
			for _, why := range unreadable(schema.Schema, old.Schema.Schema) {
				reasons = append(reasons, fmt.Sprintf("the new schema cannot read data of version %d: %s", old.Version, why))
			}
		}
		if forward {
			for _, why := range unreadable(old.Schema.Schema, schema.Schema) {
				reasons = append(reasons, fmt.Sprintf("version %d cannot read data of the new schema: %s", old.Version, why))
			}
		}
	}
	if len(reasons) > 0 {
		reasons = append(reasons, "compatibility level "+level)
	}
	return reasons
}

func directions(level string) (backward, forward, transitive bool) {
	name, transitive := strings.CutSuffix(level, "_TRANSITIVE")
	return name == "BACKWARD" || name == "FULL", name == "FORWARD" || name == "FULL", transitive
}

// isVersion tells whether the subject has this very schema: what was accepted
// once is not put to the test again.
func (r *Registry) isVersion(req *http.Request, subject string, schema sr.Schema) bool {
	return r.ask(req, http.MethodPost, "/subjects/"+url.PathEscape(subject), schema, nil) == http.StatusOK
}

// ask puts a question to srfake with the authorization of req.
func (r *Registry) ask(req *http.Request, method, path string, body, into any) int {
	text, err := json.Marshal(body)
	if err != nil {
		return http.StatusBadRequest
	}
	q, err := http.NewRequestWithContext(req.Context(), method, path, bytes.NewReader(text))
	if err != nil {
		return http.StatusBadRequest
	}
	q.Header.Set("Authorization", req.Header.Get("Authorization"))
	resp := newBuffered()
	r.fake.Handler().ServeHTTP(resp, q)
	if resp.status == http.StatusOK && into != nil {
		_ = json.Unmarshal(resp.body.Bytes(), into) // its own JSON
	}
	return resp.status
}

func (r *Registry) levelOf(req *http.Request, subject string) string {
	var config struct {
		Level string `json:"compatibilityLevel"`
	}
	r.ask(req, http.MethodGet, "/config/"+url.PathEscape(subject)+"?defaultToGlobal=true", nil, &config)
	return config.Level
}

// versionsToCheck gives all living versions, or the latest.
func (r *Registry) versionsToCheck(req *http.Request, subject string, all bool) []sr.SubjectSchema {
	var numbers []int
	r.ask(req, http.MethodGet, "/subjects/"+url.PathEscape(subject)+"/versions", nil, &numbers)
	if !all && len(numbers) > 1 {
		numbers = numbers[len(numbers)-1:]
	}
	var versions []sr.SubjectSchema
	for _, n := range numbers {
		if v, ok := r.fake.GetSchema(subject, n); ok {
			versions = append(versions, v)
		}
	}
	return versions
}

// testCompatibility answers POST /compatibility/subjects/{subject}/versions.
func (r *Registry) testCompatibility(w http.ResponseWriter, req *http.Request) {
	schema, ok := readSchema(w, req)
	if !ok {
		return
	}
	reasons := r.incompatibilities(req, req.PathValue("subject"), schema)
	answer := map[string]any{"is_compatible": len(reasons) == 0}
	if req.URL.Query().Get("verbose") == "true" {
		answer["messages"] = append([]string{}, reasons...)
	}
	w.Header().Set("Content-Type", contentType)
	json.NewEncoder(w).Encode(answer)
}
