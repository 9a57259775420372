package orgsim

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"sfbridge/orgsim/soql"
)

const (
	maxPage    = 2000 // rows a page of a query
	minPage    = 200
	longPage   = 200  // with two or more long text fields
	maxCursors = 1000 // kept; the oldest goes first
)

// cursor is an open query: what its later pages come from.
type cursor struct {
	id      string
	token   string // session that opened it
	opened  uint64
	expires time.Time
	size    int // rows a page

	mu  sync.Mutex // pages are made one at a time
	res *soql.Result
}

// query answers /query and /queryAll: a new query, or a page of an open one.
func (c *call) query(all bool) error {
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	if len(c.path) == 2 {
		return c.nextPage(c.path[1])
	}
	text := c.r.URL.Query().Get("q")
	if len(c.path) > 2 || text == "" {
		return badRequest("MALFORMED_QUERY", "A query has to be given in the parameter q.")
	}
	q, err := soql.Parse(text)
	if err != nil {
		return err
	}
	plan, err := soql.Bind(q, catalog{c.store(), c.access}, time.Now())
	if err != nil {
		return err
	}
	res := plan.Run(rowSource{c.store()}, soql.Options{Deleted: all})
	cur := &cursor{token: c.token, size: c.pageSize(res), res: res, expires: time.Now().Add(c.rest.cfg.CursorLife)}
	if res.Len() > cur.size {
		c.rest.keep(cur)
	}
	return c.page(cur, 0)
}

// pageSize is what the client asks for, within bounds.
func (c *call) pageSize(res *soql.Result) int {
	size := maxPage
	for _, option := range strings.FieldsFunc(c.r.Header.Get("Sforce-Query-Options"), func(r rune) bool { return r == ',' || r == ';' }) {
		if name, value, _ := strings.Cut(option, "="); strings.EqualFold(strings.TrimSpace(name), "batchSize") {
			if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
				size = min(max(n, minPage), maxPage)
			}
		}
	}
	if res.LongFields() >= 2 {
		size = min(size, longPage)
	}
	return min(size, c.rest.cfg.QueryPageSize)
}

// keep gives a cursor an id and remembers it.
func (s *rest) keep(cur *cursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	cur.opened, cur.id = s.opened, makeID("01g", s.org.cfg.IDInfix, s.opened)
	now := time.Now()
	var oldest *cursor
	for id, have := range s.cursors {
		if now.After(have.expires) {
			delete(s.cursors, id)
		} else if oldest == nil || have.opened < oldest.opened {
			oldest = have
		}
	}
	if len(s.cursors) >= maxCursors {
		delete(s.cursors, oldest.id)
	}
	s.cursors[cur.id] = cur
}

// nextPage answers a locator: cursor id, dash, offset.
func (c *call) nextPage(locator string) error {
	id, offset, _ := strings.Cut(locator, "-")
	n, err := strconv.Atoi(offset)
	c.rest.mu.Lock()
	cur, ok := c.rest.cursors[id]
	c.rest.mu.Unlock()
	if !ok || err != nil || n < 0 || n >= cur.res.Len() || time.Now().After(cur.expires) ||
		cur.token != c.token && !c.rest.cfg.SharedCursors {
		return badRequest("INVALID_QUERY_LOCATOR", "invalid query locator")
	}
	return c.page(cur, n)
}

// page answers with the rows of a result from an offset on.
func (c *call) page(cur *cursor, from int) error {
	cur.mu.Lock()
	records := cur.res.Slice(from, from+cur.size)
	to := from + len(records)
	body := append(make([]byte, 0, 256*len(records)+64), `{"totalSize":`...)
	body = strconv.AppendInt(body, int64(cur.res.Total), 10)
	done := to >= cur.res.Len()
	body = append(body, `,"done":`...)
	body = strconv.AppendBool(body, done)
	if !done {
		body = append(body, `,"nextRecordsUrl":"`+c.base+"/query/"+cur.id+"-"+strconv.Itoa(to)+`"`...)
	}
	body = append(body, `,"records":`...)
	body = c.appendRecords(body, records)
	cur.mu.Unlock()
	return c.send(http.StatusOK, append(body, '}'))
}

func (c *call) appendRecords(dst []byte, records []*soql.Record) []byte {
	dst = append(dst, '[')
	for i, rec := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = c.appendRecord(dst, rec)
	}
	return append(dst, ']')
}

func (c *call) appendRecord(dst []byte, rec *soql.Record) []byte {
	dst = append(dst, `{"attributes":`...)
	dst = c.appendAttributes(dst, rec.Object, rec.ID)
	for _, cell := range rec.Cells {
		dst = append(dst, ',', '"')
		dst = append(dst, cell.Name...)
		dst = append(dst, '"', ':')
		dst = c.appendCell(dst, cell.Value)
	}
	return append(dst, '}')
}

func (c *call) appendCell(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case *soql.Record:
		return c.appendRecord(dst, v)
	case *soql.Result:
		dst = append(dst, `{"totalSize":`...)
		dst = strconv.AppendInt(dst, int64(v.Total), 10)
		dst = append(dst, `,"done":true,"records":`...)
		dst = c.appendRecords(dst, v.Slice(0, v.Len()))
		return append(dst, '}')
	case json.RawMessage:
		return append(dst, v...)
	case soql.Num:
		return append(dst, v...)
	}
	text, err := json.Marshal(fromSOQL(v))
	if err != nil {
		return append(dst, "null"...) // plain values always marshal
	}
	return append(dst, text...)
}
