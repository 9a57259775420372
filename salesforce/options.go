package salesforce

import (
	"fmt"
	"net/http"
	"strings"
)

// Options are headers of writes.
type Options struct {
	// AllowDuplicates saves rows in spite of duplicate rules that only alert
	// (Sforce-Duplicate-Rule-Header: allowSave=true); those that block still do.
	AllowDuplicates bool
	// AutoAssign is the value of Sforce-Auto-Assign, for leads, cases and
	// accounts: FALSE, or the id of an assignment rule; empty leaves it out,
	// which means TRUE.
	AutoAssign string
}

// Check refuses what no org would take.
func (o Options) Check() error {
	switch id := o.AutoAssign; {
	case id == "", strings.EqualFold(id, "true"), strings.EqualFold(id, "false"):
		return nil
	case (len(id) == 15 || len(id) == 18) && alphanumeric(id):
		return nil
	}
	return fmt.Errorf("auto-assign %.20q: want TRUE, FALSE or the id of an assignment rule", o.AutoAssign)
}

func alphanumeric(s string) bool {
	for _, b := range []byte(s) {
		if b < '0' || b > '9' && b < 'A' || b > 'Z' && b < 'a' || b > 'z' {
			return false
		}
	}
	return true
}

// With returns a client that sends the options with each insert, update,
// upsert and undelete of rows (REST API guide, "Headers"). It shares all else
// with c. Jobs of Bulk API 2.0 have settings of their own.
func (c *Client) With(o Options) *Client {
	own := *c
	own.options = o
	return &own
}

// Options are those that the client sends.
func (c *Client) Options() Options { return c.options }

// rowHeader is what writes of rows send beside what every call does.
func (c *Client) rowHeader() http.Header {
	h := http.Header{}
	if c.options.AllowDuplicates {
		h.Set("Sforce-Duplicate-Rule-Header", "allowSave=true")
	}
	if c.options.AutoAssign != "" {
		h.Set("Sforce-Auto-Assign", c.options.AutoAssign)
	}
	return h
}
