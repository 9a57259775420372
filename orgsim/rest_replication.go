package orgsim

import (
	"net/http"
	"time"
)

// How far back replication looks, and the most ids that one answer has (REST
// API guide, getUpdated and getDeleted).
const (
	updatedLookBack = 30 * 24 * time.Hour
	deletedLookBack = 15 * 24 * time.Hour
	maxReplicated   = 600_000
)

// replication answers /updated and /deleted: ids that changed in a span of
// whole minutes.
func (c *call) replication(def *ObjectDef, which string) error {
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	start, err1 := replicationTime(c.r.URL.Query().Get("start"))
	end, err2 := replicationTime(c.r.URL.Query().Get("end"))
	now := time.Now().UTC()
	lookBack := updatedLookBack
	if which == "deleted" {
		lookBack = deletedLookBack
	}
	bad := func(why string) error { return badRequest("INVALID_REPLICATION_DATE", why) }
	switch {
	case err1 != nil || err2 != nil:
		return bad("start and end must be dates with a time and a zone")
	case !start.Before(end):
		return bad("startDate must be before endDate")
	case which == "deleted" && end.Sub(start) <= time.Minute:
		return bad("endDate must be more than one minute after startDate")
	case start.Before(now.Add(-lookBack)):
		return bad("startDate is too far in the past")
	case end.After(now.Add(24 * time.Hour)):
		return bad("endDate is too far in the future")
	}
	covered := now.Truncate(time.Minute)
	if end.Before(covered) {
		covered = end
	}
	rows := c.changedRows(def, start, end, which == "deleted")
	if len(rows) > maxReplicated {
		return badRequest("EXCEEDED_ID_LIMIT", "Too many records in the span; ask for a shorter one.")
	}
	if which == "updated" {
		ids := []string{}
		for _, r := range rows {
			ids = append(ids, r.ID)
		}
		return c.json(http.StatusOK, map[string]any{"ids": ids, "latestDateCovered": covered.Format(dateTimeLayout)})
	}
	list := []map[string]string{}
	for _, r := range rows {
		list = append(list, map[string]string{"id": r.ID, "deletedDate": r.Get("SystemModstamp").String()})
	}
	return c.json(http.StatusOK, map[string]any{
		"deletedRecords": list, "earliestDateAvailable": now.Add(-deletedLookBack).Truncate(time.Minute).Format(dateTimeLayout),
		"latestDateCovered": covered.Format(dateTimeLayout),
	})
}

// changedRows finds the rows touched in [start, end) that are, or are not,
// deleted.
func (c *call) changedRows(def *ObjectDef, start, end time.Time, deleted bool) []*Record {
	var out []*Record
	c.rest.org.Scan(def.Name, true, func(r *Record) bool {
		at := r.Get("SystemModstamp").Time()
		if r.Deleted == deleted && !at.Before(start) && at.Before(end) {
			out = append(out, r)
		}
		return true
	})
	return out
}

// replicationTime reads a bound; seconds are ignored.
func replicationTime(text string) (time.Time, error) {
	var err error
	for _, layout := range []string{time.RFC3339, dateTimeLayout, "2006-01-02T15:04:05-0700"} {
		var t time.Time
		if t, err = time.Parse(layout, text); err == nil {
			return t.UTC().Truncate(time.Minute), nil
		}
	}
	return time.Time{}, err
}
