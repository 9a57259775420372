package writeback

import (
	"context"
	"errors"
)

// sendUndelete takes rows out of the recycle bin, at most
// salesforce.MaxCollection in a call, and returns a verdict for each item or a
// *callError.
func (f *Flow) sendUndelete(ctx context.Context, b *batch) ([]verdict, error) {
	return nil, &callError{err: errors.ErrUnsupported}
}
