package orgsim

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// HTTPFault is a bad day of the REST API: calls that match are answered wrong.
type HTTPFault struct {
	Method string `json:"method" yaml:"method"` // empty = any
	Path   string `json:"path" yaml:"path"`     // what the path has in it; empty = any
	After  int    `json:"after" yaml:"after"`   // matching calls that go well first
	Count  int    `json:"count" yaml:"count"`   // how many fail then; 0 = all that follow

	Delay  time.Duration `json:"delay" yaml:"delay"`   // before the call is looked at
	Status int           `json:"status" yaml:"status"` // of the answer; 0 with no other fault = only the delay
	Code   string        `json:"code" yaml:"code"`     // errorCode of the answer
	Text   string        `json:"text" yaml:"text"`     // message, or the whole body if HTML
	HTML   bool          `json:"html" yaml:"html"`     // the body is a page, as from an edge server
	// RetryAfter is what the answer asks clients to wait; gateways send it, the org does not.
	RetryAfter time.Duration `json:"retry_after" yaml:"retry_after"`
	// Cut drops the connection without an answer: before the call does its
	// work, or after it with CutAfter.
	Cut      bool `json:"cut" yaml:"cut"`
	CutAfter bool `json:"cut_after" yaml:"cut_after"`
}

// httpFaults are those that wait.
type httpFaults struct {
	mu   sync.Mutex
	list []*HTTPFault // guarded by mu
}

// InjectHTTP makes calls of the REST API fail.
func (o *Org) InjectHTTP(f HTTPFault) {
	fs := &o.web.rest.faults
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = append(fs.list, &f)
}

// ClearHTTP takes back every fault of the REST API.
func (o *Org) ClearHTTP() {
	fs := &o.web.rest.faults
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = nil
}

// next finds the fault that strikes a call and counts it.
func (fs *httpFaults) next(c *call) (HTTPFault, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i, f := range fs.list {
		if f.Method != "" && !strings.EqualFold(f.Method, c.method) || !strings.Contains(c.r.URL.Path, f.Path) {
			continue
		}
		if f.After > 0 {
			f.After--
			return HTTPFault{}, false
		}
		if f.Count > 0 {
			if f.Count--; f.Count == 0 {
				fs.list = append(fs.list[:i:i], fs.list[i+1:]...)
			}
		}
		return *f, true
	}
	return HTTPFault{}, false
}

// strike lets a waiting fault happen; handled means that it was the answer.
func (fs *httpFaults) strike(c *call) (handled bool, err error) {
	f, ok := fs.next(c)
	if !ok {
		return false, nil
	}
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-c.ctx.Done():
			panic(http.ErrAbortHandler)
		}
	}
	if f.RetryAfter > 0 {
		c.w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
	}
	switch {
	case f.Cut:
		panic(http.ErrAbortHandler)
	case f.CutAfter:
		c.cut = true
		return false, nil
	case f.HTML:
		c.w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		c.w.WriteHeader(max(f.Status, http.StatusBadRequest))
		_, err := c.w.Write([]byte("<html><body>" + f.Text + "</body></html>"))
		return true, err
	case f.Status > 0 || f.Code != "":
		status := f.Status
		if status == 0 {
			status = statusOf(f.Code)
		}
		return true, &apiError{Status: status, Code: f.Code, Message: f.Text}
	}
	return false, nil
}
