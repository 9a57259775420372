package orgsim

import "slices"

// Access is what a user may not see. The zero Access forbids nothing.
type Access struct {
	// Forbidden objects: their own channels refuse the user, and channels of
	// several objects leave their events out.
	Forbidden []string
	// Hidden fields by object: their values arrive as null.
	Hidden map[string][]string
}

// SetAccess says what a user may not see, from now on. Fields can be hidden
// only in events that are stored from now on.
func (o *Org) SetAccess(userID string, a Access) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.access[userID] = a
	for object := range a.Hidden {
		o.detailed[object] = true
	}
}

func (o *Org) accessOf(userID string) Access {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.access[userID]
}

func (a Access) forbids(object string) bool { return slices.Contains(a.Forbidden, object) }
