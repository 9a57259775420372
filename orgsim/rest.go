package orgsim

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// RESTConfig sets the limits of the REST API. The zero value is an org of a
// generous edition.
type RESTConfig struct {
	DailyAPILimit int // calls in 24 h; 0 = 100000
	QueryPageSize int // rows a page at most; 0 = 2000. Real pages may be shorter than asked for, too
	// SharedCursors lets a query locator outlive the session that opened it.
	SharedCursors bool
	CursorLife    time.Duration // 0 = 48h
	// Latency is how long each call takes, of REST, Bulk and SOAP; 0 = none. Login takes none.
	Latency      time.Duration
	MaxLongCalls int // calls under way for 20 s and longer, beyond which others are refused; 0 = 25, negative = no limit
}

// minAPIVersion is the oldest version that still answers: 30.0 and older are
// retired (REST API guide, "API End-of-Life").
const minAPIVersion = 31

const (
	maxURI       = 16384   // bytes of URI and headers
	maxBodyBytes = 6 << 20 // of a request, unpacked
)

// rest answers /services/data.
type rest struct {
	org     *Org
	cfg     RESTConfig
	usage   apiUsage
	running runningCalls
	faults  httpFaults
	bulk    *bulk

	mu      sync.Mutex
	cursors map[string]*cursor // guarded by mu; by cursor id
	opened  uint64             // guarded by mu; cursors ever opened
}

func newREST(org *Org, cfg RESTConfig) *rest {
	if cfg.DailyAPILimit <= 0 {
		cfg.DailyAPILimit = 100_000
	}
	if cfg.QueryPageSize <= 0 {
		cfg.QueryPageSize = maxPage
	}
	if cfg.CursorLife <= 0 {
		cfg.CursorLife = 48 * time.Hour
	}
	if cfg.MaxLongCalls == 0 {
		cfg.MaxLongCalls = 25
	}
	return &rest{org: org, cfg: cfg, bulk: newBulk(org, org.cfg.Bulk), cursors: map[string]*cursor{}}
}

// call is one request to the data API.
type call struct {
	rest    *rest
	w       *logged
	r       *http.Request
	ctx     context.Context
	method  string   // after ?_HttpMethod
	version int      // 64 of v64.0
	base    string   // /services/data/v64.0
	path    []string // segments behind the version, percent-decoded
	token   string
	userID  string
	access  Access   // what the user may not see
	client  string   // of Sforce-Call-Options
	used    int      // calls of the last 24 hours, with this one
	cut     bool     // the connection is to be cut before the answer
	within  *txStore // of an all-or-none composite; nil = the org
}

// caller says who makes the change, for events.
func (c *call) caller() Caller {
	return Caller{
		UserID: c.userID, API: "rest", Version: strconv.Itoa(c.version) + ".0", Client: c.client,
		AllowDuplicates: allowSave(c.r.Header.Get("Sforce-Duplicate-Rule-Header")),
	}
}

// allowSave reads the header that saves rows in spite of duplicate rules.
func allowSave(header string) bool {
	for _, option := range strings.FieldsFunc(header, func(r rune) bool { return r == ';' || r == ',' }) {
		name, value, _ := strings.Cut(option, "=")
		if strings.EqualFold(strings.TrimSpace(name), "allowSave") && strings.EqualFold(strings.TrimSpace(value), "true") {
			return true
		}
	}
	return false
}

// serve answers a request to /services/data.
func (s *rest) serve(w *logged, r *http.Request) {
	c := &call{rest: s, w: w, r: r, ctx: r.Context(), method: r.Method}
	defer s.running.begin(c)()
	if err := c.run(); err != nil {
		c.fail(err)
	}
}

// run checks what every call has in common and hands on to its resource.
func (c *call) run() error {
	if len(c.r.RequestURI) > maxURI {
		return &apiError{Status: http.StatusRequestURITooLong, Code: "URI_TOO_LONG", Message: "The URI is too long."}
	}
	segments, err := splitPath(strings.TrimPrefix(c.r.URL.EscapedPath(), "/services/data"))
	if err != nil {
		return err
	}
	if over := c.r.URL.Query().Get("_HttpMethod"); over != "" && c.method == http.MethodPost {
		c.method = strings.ToUpper(over)
	}
	if len(segments) == 0 {
		return c.versions()
	}
	if err := c.useVersion(segments[0]); err != nil {
		return err
	}
	c.path = segments[1:]
	if err := c.authenticate(); err != nil {
		return err
	}
	if handled, err := c.rest.faults.strike(c); handled || err != nil {
		return err
	}
	return c.route()
}

// splitPath cuts a path into segments before decoding them, so that an
// external id may hold a slash (%2F) and a plus sign stays one.
func splitPath(escaped string) ([]string, error) {
	var out []string
	for _, s := range strings.Split(strings.Trim(escaped, "/"), "/") {
		if s == "" {
			continue
		}
		text, err := url.PathUnescape(s)
		if err != nil {
			return nil, errNotFound()
		}
		out = append(out, text)
	}
	return out, nil
}

func (c *call) useVersion(segment string) error {
	text, ok := strings.CutPrefix(segment, "v")
	major, minor, _ := strings.Cut(text, ".")
	n, err := strconv.Atoi(major)
	if !ok || err != nil || minor != "0" || n > c.rest.org.apiVersion() {
		return errNotFound()
	}
	if n < minAPIVersion {
		return &apiError{
			Status: http.StatusGone, Code: "UNSUPPORTED_API_VERSION",
			Message: "The requested API version is no longer supported; use version " + strconv.Itoa(minAPIVersion) + ".0 or later.",
		}
	}
	c.version, c.base = n, "/services/data/"+segment
	return nil
}

func (c *call) authenticate() error {
	c.token = bearer(c.r)
	for _, option := range strings.FieldsFunc(c.r.Header.Get("Sforce-Call-Options"), func(r rune) bool { return r == ';' || r == ',' }) {
		if name, value, _ := strings.Cut(option, "="); strings.EqualFold(strings.TrimSpace(name), "client") {
			c.client = strings.TrimSpace(value)
			c.w.call.Client = c.client
		}
	}
	return c.admit()
}

// admit checks the session and the org's limits of calls.
func (c *call) admit() error {
	user, ok := c.rest.org.web.oauth.Check(c.token)
	if !ok {
		return &apiError{Status: http.StatusUnauthorized, Code: "INVALID_SESSION_ID", Message: "Session expired or invalid"}
	}
	c.w.call.UserID = user
	c.userID, c.access = user, c.rest.org.accessOf(user)
	c.used, ok = c.rest.usage.count(time.Now(), c.rest.cfg.DailyAPILimit)
	c.w.Header().Set("Sforce-Limit-Info", "api-usage="+strconv.Itoa(c.used)+"/"+strconv.Itoa(c.rest.cfg.DailyAPILimit))
	if !ok {
		return &apiError{Status: http.StatusForbidden, Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded."}
	}
	if err := c.checkConcurrent(); err != nil {
		return err
	}
	c.travel()
	return nil
}

// route finds the resource. Resource names are matched as the org does, with
// case; a slash at the end does no harm.
func (c *call) route() error {
	first := ""
	if len(c.path) > 0 {
		first = c.path[0]
	}
	switch {
	case first == "":
		return c.resources()
	case first == "sobjects":
		return c.sobjects(c.path[1:])
	case first == "query" || first == "queryAll":
		return c.query(first == "queryAll")
	case first == "limits" && len(c.path) == 1:
		return c.limits()
	case first == "event" && len(c.path) == 3 && c.path[1] == "eventSchema":
		return c.eventSchemaByID(c.path[2])
	case first == "composite":
		return c.composite(c.path[1:])
	case first == "jobs":
		return c.jobsCall(c.path[1:])
	}
	return errNotFound()
}

// sobjects routes what stands below /sobjects.
func (c *call) sobjects(path []string) error {
	if len(path) == 0 {
		return c.describeGlobal()
	}
	def := c.store().Object(path[0])
	if len(path) == 2 && path[1] == "eventSchema" {
		return c.eventSchemaByName(path[0])
	}
	if def == nil || c.access.forbids(def.Name) {
		return errNotFound()
	}
	switch {
	case len(path) == 1:
		return c.objectRoot(def)
	case len(path) == 2 && path[1] == "describe":
		return c.describe(def)
	case len(path) == 2 && path[1] == "updated", len(path) == 2 && path[1] == "deleted":
		return c.replication(def, path[1])
	case len(path) == 2 && c.method == http.MethodPost && path[1] == "Id":
		return c.create(def)
	case len(path) == 2:
		return c.row(def, path[1])
	case len(path) == 3:
		return c.byExternalID(def, path[1], path[2])
	}
	return errNotFound()
}

// allow refuses methods that a resource does not have.
func (c *call) allow(methods ...string) error {
	for _, m := range methods {
		if c.method == m || m == http.MethodGet && c.method == http.MethodHead {
			return nil
		}
	}
	c.w.Header().Set("Allow", strings.Join(methods, ","))
	return &apiError{
		Status: http.StatusMethodNotAllowed, Code: "METHOD_NOT_ALLOWED",
		Message: "HTTP Method '" + c.method + "' not allowed. Allowed are " + strings.Join(methods, ","),
	}
}

// versions lists the API versions, without login and without counting.
func (c *call) versions() error {
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	var list []map[string]string
	for v := minAPIVersion; v <= c.rest.org.apiVersion(); v++ {
		text := strconv.Itoa(v) + ".0"
		list = append(list, map[string]string{"label": releaseName(v), "url": "/services/data/v" + text, "version": text})
	}
	return c.json(http.StatusOK, list)
}

// releaseName gives the season of a version: 64.0 came with Summer '25.
func releaseName(version int) string {
	i := version - minAPIVersion + 1 // version 30.0 was Spring '14
	year := 14 + i/3
	season := [...]string{"Spring", "Summer", "Winter"}[i%3]
	if season == "Winter" {
		year++
	}
	return season + " '" + strconv.Itoa(year)
}

// resources is the root of a version. Some clients read the key identity.
func (c *call) resources() error {
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	return c.json(http.StatusOK, map[string]string{
		"identity": c.rest.org.web.oauth.identityURL(c.r, c.userID),
		"sobjects": c.base + "/sobjects", "query": c.base + "/query", "queryAll": c.base + "/queryAll",
		"limits": c.base + "/limits", "event": c.base + "/event", "composite": c.base + "/composite",
		"jobs": c.base + "/jobs",
	})
}
