package orgsim

import (
	"errors"
	"net/http"
)

// workers runs at most one Work at a time for the control API.
type workers struct{}

func (ws *workers) stop() {}

var errNoWork = errors.New("work: nobody works here")

func (k *control) workStatus(*http.Request) (any, error) {
	return map[string]any{"running": false}, nil
}
func (k *control) workStart(*http.Request) (any, error)  { return nil, errNoWork }
func (k *control) workStop(r *http.Request) (any, error) { return k.workStatus(r) }
