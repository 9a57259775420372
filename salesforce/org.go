package salesforce

import (
	"context"
	"net/http"

	"sfbridge/salesforce/auth"
)

// Version is one version of the API that the org serves.
type Version struct {
	Label   string `json:"label"`   // Spring '26
	Version string `json:"version"` // 66.0
	URL     string `json:"url"`
}

// Versions lists the API versions that the org serves, oldest first. It counts
// as no API call.
func (c *Client) Versions(ctx context.Context) ([]Version, error) {
	var v []Version
	err := c.call(ctx, &request{method: http.MethodGet, path: "/services/data/", open: true}, &v)
	return v, err
}

// Limit is one of the org's limits.
type Limit struct {
	Max       int64 `json:"Max"`
	Remaining int64 `json:"Remaining"`
}

// Limits returns the org's limits by name, such as DailyApiRequests; they are
// exact within five minutes. It needs the permission View Setup and
// Configuration.
func (c *Client) Limits(ctx context.Context) (map[string]Limit, error) {
	var l map[string]Limit
	err := c.call(ctx, &request{method: http.MethodGet, path: c.base() + "/limits"}, &l)
	return l, err
}

// UserInfo is who the session is logged in as.
type UserInfo struct {
	OrgID    string `json:"organization_id"` // 18 characters
	UserID   string `json:"user_id"`         // 18 characters
	Username string `json:"preferred_username"`
	Name     string `json:"name"`
	Email    string `json:"email"`
	Zone     string `json:"zoneinfo"`
	Locale   string `json:"locale"`
}

// UserInfo asks who the session is logged in as. It needs the scope id or
// openid.
func (c *Client) UserInfo(ctx context.Context) (UserInfo, error) {
	var u UserInfo
	err := c.call(ctx, &request{method: http.MethodGet, path: "/services/oauth2/userinfo"}, &u)
	u.OrgID, u.UserID = auth.ID18(u.OrgID), auth.ID18(u.UserID)
	return u, err
}
