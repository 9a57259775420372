package auth

import "cmp"

// refreshChain follows the refresh token of the configuration through its
// successors: where an app rotates refresh tokens, each login returns the next
// one and ends the one before. It is used by one login at a time; a login of
// this method is never given up for another (see Session.leave).
type refreshChain struct {
	configured Secret // as it was read for the login under way
	head       Secret // what the configuration said when inForce began
	inForce    Secret // the last one that Salesforce took, or its successor
}

// choose gives the token to log in with: the one in force, unless the
// configuration has another than the one that it came from. A configured token
// that Salesforce does not take leaves the one in force where it is, so that
// putting the former back is enough.
func (c *refreshChain) choose(configured Secret) Secret {
	c.configured = configured
	if c.inForce != "" && configured == c.head {
		return c.inForce
	}
	return configured
}

// taken says that Salesforce took a token, and which one it gave in its place,
// "" if none.
func (c *refreshChain) taken(used, successor string) {
	c.head, c.inForce = c.configured, Secret(cmp.Or(successor, used))
}
