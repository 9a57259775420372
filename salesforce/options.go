package salesforce

// Options are headers of writes.
type Options struct {
	// AllowDuplicates saves rows in spite of duplicate rules that only alert
	// (Sforce-Duplicate-Rule-Header: allowSave=true).
	AllowDuplicates bool
	// AutoAssign is the value of Sforce-Auto-Assign: FALSE, or the id of an
	// assignment rule; empty leaves it out, which means TRUE.
	AutoAssign string
}

// With returns a client that sends the options with each write. It shares all
// else with c.
func (c *Client) With(o Options) *Client { return c }
