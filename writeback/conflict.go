package writeback

import "sync"

// self is the user that the flow writes as.
type self struct {
	mu sync.Mutex
	id string
}
