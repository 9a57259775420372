package orgsim

import "net/http"

// inject arms a fault of the Pub/Sub API.
func (k *control) inject(r *http.Request) (any, error) {
	var f Fault
	if err := read(r, &f); err != nil {
		return nil, err
	}
	if err := k.org.Inject(f); err != nil {
		return nil, err
	}
	return map[string]any{"injected": f}, nil
}

// clearFaults takes back every fault that waits, of all APIs.
func (k *control) clearFaults(*http.Request) (any, error) {
	k.org.Heal()
	k.org.ClearHTTP()
	k.org.ClearBulk()
	return map[string]bool{"cleared": true}, nil
}

// faults lists what waits in the Pub/Sub API.
func (k *control) faults(*http.Request) (any, error) {
	return map[string]any{"faults": k.org.Faults()}, nil
}
