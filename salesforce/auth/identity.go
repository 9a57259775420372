package auth

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// splitIdentity takes org and user from the identity URL of a token response,
// https://host/id/<org id>/<user id>. Ids of 15 characters become 18.
func splitIdentity(id string) (org, user string) {
	u, err := url.Parse(id)
	if err != nil {
		return "", ""
	}
	_, rest, found := strings.Cut(u.Path, "/id/")
	if !found {
		return "", ""
	}
	org, user, _ = strings.Cut(rest, "/")
	user, _, _ = strings.Cut(user, "/")
	if !strings.HasPrefix(org, "00D") || len(ID18(org)) != 18 {
		return "", ""
	}
	return ID18(org), ID18(user)
}

// identify asks the org who the token is for: by userinfo, which wants the
// scope id or openid, and else by a query, which wants api.
func (s *Session) identify(ctx context.Context, tok *Token) error {
	var who struct {
		Org  string `json:"organization_id"`
		User string `json:"user_id"`
	}
	if err := s.get(ctx, tok.InstanceURL+"/services/oauth2/userinfo", tok.AccessToken, &who); err == nil && who.Org != "" {
		tok.OrgID, tok.UserID = ID18(who.Org), ID18(who.User)
		return nil
	}
	var rows struct {
		Records []struct{ ID string } `json:"records"`
	}
	// Any version that is still served will do for this query.
	query := tok.InstanceURL + "/services/data/v60.0/query?q=SELECT+Id+FROM+Organization"
	err := s.get(ctx, query, tok.AccessToken, &rows)
	if refused, ok := asError(err); ok && refused.Status == http.StatusUnauthorized && s.cfg.Method == MethodAccessToken {
		return ErrTokenInvalid
	}
	if err != nil {
		return err
	}
	if len(rows.Records) == 0 || rows.Records[0].ID == "" {
		return &Error{Status: http.StatusOK, Description: "the org did not tell its id", Hint: "give the app the scope id, or the user the right to read Organization"}
	}
	tok.OrgID = ID18(rows.Records[0].ID)
	return nil
}
