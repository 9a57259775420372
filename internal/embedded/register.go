package embedded

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"
)

const (
	contentType = "application/vnd.schemaregistry.v1+json"
	maxBody     = 1 << 20 // srfake's own limit
)

// register answers POST /subjects/{subject}/versions: srfake gives the number,
// and the version is on disk before the client learns it.
func (r *Registry) register(w http.ResponseWriter, req *http.Request) {
	subject := req.PathValue("subject")
	schema, ok := readSchema(w, req)
	if !ok {
		return
	}
	if reasons := r.incompatibilities(req, subject, schema); len(reasons) > 0 {
		message := fmt.Sprintf("Schema being registered is incompatible with an earlier schema for subject %q: %s",
			subject, strings.Join(reasons, "; "))
		writeError(w, http.StatusConflict, sr.ErrIncompatibleSchema.Code, message)
		return
	}
	resp := r.forward(req)
	if resp.status == http.StatusNotFound { // srfake: deleted, and not to be had again
		if r.ask(req, http.MethodDelete, "/subjects/"+url.PathEscape(subject)+"?permanent=true", nil, nil) == http.StatusOK {
			resp = r.forward(req)
		}
	}
	if resp.status == http.StatusOK {
		// Idempotent: tells the version that the handler has just given.
		id, version, err := r.fake.RegisterSchema(subject, schema)
		if err == nil {
			err = r.store.add(entry{Subject: subject, Version: version, ID: id, Schema: schema})
		}
		if err != nil {
			writeError(w, http.StatusInternalServerError, 50001, err.Error())
			return
		}
	}
	resp.copyTo(w)
}

// forward lets srfake answer a request that readSchema has read.
func (r *Registry) forward(req *http.Request) *buffered {
	resp := newBuffered()
	if body, err := req.GetBody(); err == nil {
		req.Body = body
	}
	r.fake.Handler().ServeHTTP(resp, req)
	return resp
}

// readSchema decodes the request's body, which GetBody gives again.
// Bodies that it cannot read are left for srfake to refuse.
func readSchema(w http.ResponseWriter, req *http.Request) (schema sr.Schema, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		writeError(w, http.StatusUnprocessableEntity, 42201, err.Error())
		return schema, false
	}
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.Body, _ = req.GetBody()
	_ = json.Unmarshal(body, &schema)
	return schema, true
}

func writeError(w http.ResponseWriter, status, code int, message string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"error_code": code, "message": message})
}

// buffered is a response kept back until we know that it may go out.
type buffered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newBuffered() *buffered { return &buffered{header: http.Header{}, status: http.StatusOK} }

// Header is the header that copyTo will send.
func (b *buffered) Header() http.Header { return b.header }

// WriteHeader keeps the status.
func (b *buffered) WriteHeader(status int) { b.status = status }

// Write keeps the body.
func (b *buffered) Write(p []byte) (int, error) { return b.body.Write(p) }

func (b *buffered) copyTo(w http.ResponseWriter) {
	for k, v := range b.header {
		w.Header()[k] = v
	}
	w.WriteHeader(b.status)
	w.Write(b.body.Bytes())
}
