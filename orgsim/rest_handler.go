package orgsim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// web is what the org answers over HTTP.
type web struct {
	oauth   *oauth
	rest    *rest
	control *control
}

func newWeb(o *Org) *web {
	return &web{oauth: newOAuth(o, o.cfg.OAuth), rest: newREST(o, o.cfg.REST), control: &control{org: o}}
}

// HTTPHandler serves what an org serves over HTTP: OAuth, the REST API, and
// the calls login, undelete and merge of the SOAP API. It may be served on several listeners.
func (o *Org) HTTPHandler() http.Handler { return http.HandlerFunc(o.serveHTTP) }

// logged remembers what the call log wants to know of an answer.
type logged struct {
	http.ResponseWriter
	call Call
}

// WriteHeader notes the status.
func (l *logged) WriteHeader(status int) {
	l.call.Status = strconv.Itoa(status)
	l.ResponseWriter.WriteHeader(status)
}

func (o *Org) serveHTTP(rw http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	w := &logged{ResponseWriter: rw, call: Call{Method: r.Method + " " + path, Client: r.UserAgent(), Start: time.Now(), Status: "cut"}}
	defer func() { o.LogCall(w.call) }()
	switch {
	case path == "/services/data" || strings.HasPrefix(path, "/services/data/"):
		o.web.rest.serve(w, r)
	case strings.HasPrefix(path, "/services/Soap/"):
		o.web.serveSOAP(w, r)
	case !o.web.oauth.serve(w, r):
		http.Error(w, "URL No Longer Exists", http.StatusNotFound)
	}
}

// apiVersion is the newest version that the org answers: 64 of 64.0.
func (o *Org) apiVersion() int {
	major, _, _ := strings.Cut(o.cfg.APIVersion, ".")
	n, err := strconv.Atoi(major)
	if err != nil || n < minAPIVersion {
		return minAPIVersion
	}
	return n
}

// simUser is a user as the login needs it.
type simUser struct {
	ID, Username, Name, Email string
	Active                    bool
}

func userOf(r *Record) simUser {
	return simUser{
		ID: r.ID, Username: r.Get("Username").Text(), Name: r.Get("Name").Text(), Email: r.Get("Email").Text(),
		Active: r.Get("IsActive").True() && !r.Deleted,
	}
}

// userByName finds a user by username, whatever its case.
func (o *Org) userByName(username string) (simUser, bool) {
	var found *Record
	o.Scan("User", false, func(r *Record) bool {
		if strings.EqualFold(r.Get("Username").Text(), username) {
			found = r
		}
		return found == nil
	})
	if found == nil {
		return simUser{}, false
	}
	return userOf(found), true
}

func (o *Org) userByID(id string) (simUser, bool) {
	r := o.Get(id)
	if r == nil || r.Object != "User" {
		return simUser{}, false
	}
	return userOf(r), true
}

// hides tells whether a field of an object is kept from the user.
func (a Access) hides(object, field string) bool { return slices.Contains(a.Hidden[object], field) }
