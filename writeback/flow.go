package writeback

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"sfbridge/internal/flow"
)

// Flow carries one topic into one object.
type Flow struct {
	cfg    Config
	log    *slog.Logger
	state  *flow.State
	target atomic.Pointer[target] // set by Prepare
	jobs   jobs
	self   self
	merged mergedIDs
}

// New checks the configuration. It calls nobody.
func New(cfg Config) (*Flow, error) { return nil, errors.ErrUnsupported }

// Prepare reaches the org and the topic once and checks that they fit: object,
// permissions, mapping. Errors that waiting mends are Retryable.
func (f *Flow) Prepare(ctx context.Context) error { return errors.ErrUnsupported }

// Run applies records until ctx ends, then finishes the calls that are under way
// and commits their outcomes. It waits out what passes. An error needs a person.
func (f *Flow) Run(ctx context.Context) error { return errors.ErrUnsupported }

// Status tells how the flow is doing in this process.
func (f *Flow) Status() flow.Status { return flow.Status{} }

// Problem is why the flow is not well, "" if it is: a line of readiness.
func (f *Flow) Problem() string { return "" }

// Retryable tells whether an error of Prepare may pass.
func Retryable(err error) bool { return false }
