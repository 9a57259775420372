package writeback

import (
	"context"
	"sync"
)

// redirect looks up what became of a row that was answered as deleted. If it was
// merged into another, the item is made to go there: its id is set, and an
// upsert by external id becomes an update. If not, ok is false. An error is a
// *callError.
func (f *Flow) redirect(ctx context.Context, it *item) (newID string, ok bool, err error) {
	return "", false, nil
}

// mergedIDs remembers which records were merged into which.
type mergedIDs struct {
	mu     sync.Mutex
	master map[string]string // by loser
}
