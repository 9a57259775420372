package schemas

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/twmb/franz-go/pkg/sr"
)

// elsewhere are the paths under which registries of other makers serve
// Confluent's API, newest first.
var elsewhere = [...]string{"/apis/ccompat/v7", "/apis/ccompat/v6", "/api/ccompat", "/schema-registry"}

// Check tells whether the registry is there, lets us in, and speaks Confluent's
// API. If the URL lacks the API's path, the error's hint names the right one.
func (r *Registry) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.cfg.Timeout, errTimeout)
	defer cancel()
	level := r.client.Compatibility(ctx)[0] // the global one: every Confluent API has it
	if level.Err == nil && level.Level != 0 {
		r.log.Info("schema registry reached", "compatibility", level.Level.String())
		return nil
	}
	err := r.failed(ctx, "read the compatibility level", level.Err)
	if err.Retryable() || err.Status == http.StatusUnauthorized || err.Status == http.StatusForbidden {
		return err
	}
	for _, path := range elsewhere {
		if r.speaks(ctx, r.bases[0]+path) {
			err.Hint = fmt.Sprintf("Confluent's API answers under %s%s: set schema_registry.url to that", r.bases[0], path)
			return err
		}
	}
	err.Hint = "what answers there is not Confluent's Schema Registry API: check schema_registry.url, and for Apicurio add /apis/ccompat/v7"
	return err
}

// speaks tells whether Confluent's API answers under base.
func (r *Registry) speaks(ctx context.Context, base string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/config", nil)
	if err != nil || r.authorize(req) != nil {
		return false
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var config struct {
		Level string `json:"compatibilityLevel"`
	}
	return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(&config) == nil && config.Level != ""
}

// levelOf gives the compatibility level that a subject is under, or "" if that
// cannot be read.
func (r *Registry) levelOf(ctx context.Context, subject string) string {
	level := r.client.Compatibility(sr.WithParams(ctx, sr.DefaultToGlobal), subject)[0]
	if level.Err != nil || level.Level == 0 {
		return ""
	}
	return level.Level.String()
}
