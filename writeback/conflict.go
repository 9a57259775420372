package writeback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"

	"sfbridge/internal/flow"
	"sfbridge/salesforce"
)

// Conflict policies compare a record's version with the version field of its
// row, which is read just before the row is written. Two kinds of fields serve:
//
// A field of the user's own that this flow writes along, a number or a time.
// The row then has the version of the record that was written last, so a record
// of an equal version has been applied, and newer-wins skips it.
//
// SystemModstamp or LastModifiedDate, which the org sets. They tell of writes by
// anybody, this flow's own too, whose stamps are later than the records that
// they wrote. So a row that the flow's own user changed last counts as
// unchanged: give the flow a user of its own. They have whole seconds, so a
// record's time is cut to whole seconds too, and on a tie the record is
// written.
//
// A row without a version has nothing to protect and is written.

// defaultVersion is when a row was changed last, by anybody or anything.
const defaultVersion = "SystemModstamp"

// self is the user that the flow writes as.
type self struct {
	mu    sync.Mutex
	known bool
	id    string // empty if it cannot be told
}

// versions is what judging by versions needs.
type versions struct {
	policy Conflict
	field  string
	stamp  bool // the org sets it, at each write
	day    bool // it has no time of day
	by     bool // who changed the row last is read too
	self   string
}

// versionField finds the version field. A field without the package's prefix is
// taken where there is none with it: the org's own, on an object of the package.
func (cfg *Config) versionField(object *salesforce.Object) (name string, field *salesforce.Field, ok bool) {
	if name = cfg.VersionField; name == "" {
		name = defaultVersion
	}
	if field, ok = object.Field(name); !ok && cfg.Rows.Namespace != "" {
		field, ok = object.Field(strings.TrimPrefix(name, string(cfg.Rows.Namespace)+"__"))
	}
	return name, field, ok
}

// checkConflict tells why the object cannot serve the conflict policy, with the
// remedy.
func (cfg *Config) checkConflict(object *salesforce.Object) error {
	if cfg.Conflict == "" || cfg.Conflict == Overwrite {
		return nil
	}
	name, field, ok := cfg.versionField(object)
	switch {
	case !ok:
		return fmt.Errorf("conflict %s: %s has no field %s, or the user may not see it: name another in version_field", cfg.Conflict, object.Name, name)
	case !versionTypes[field.Type]:
		return fmt.Errorf("conflict %s: field %s of %s is of type %s: version_field wants a number, a date or a date and time", cfg.Conflict, name, object.Name, field.Type)
	}
	return nil
}

var versionTypes = map[string]bool{
	"int": true, "long": true, "double": true, "currency": true, "percent": true, "datetime": true, "date": true, "string": true,
}

// versionsOf says how versions are judged for a target.
func (f *Flow) versionsOf(ctx context.Context, t *target) (*versions, error) {
	v := &versions{policy: f.cfg.Conflict}
	name, field, ok := f.cfg.versionField(t.object)
	if v.field = name; ok { // if not, the field is gone since the start, and the query says so
		v.field, v.day = field.Name, field.Type == "date"
	}
	v.stamp = v.field == defaultVersion || v.field == "LastModifiedDate"
	if _, ok := t.object.Field("LastModifiedById"); !ok || !v.stamp {
		return v, nil
	}
	id, err := f.selfID(ctx)
	if err != nil {
		return nil, err
	}
	v.self, v.by = id, id != ""
	return v, nil
}

// selfID is the id of the flow's user, "" if the org does not tell.
func (f *Flow) selfID(ctx context.Context) (string, error) {
	f.self.mu.Lock()
	defer f.self.mu.Unlock()
	if f.self.known {
		return f.self.id, nil
	}
	info, err := f.cfg.API.UserInfo(ctx)
	if err != nil {
		if e := asCallError(err); e.class != salesforce.ClassData {
			return "", e
		}
		f.log.Warn("own user not known, so own changes are taken for those of others", "err", err)
	}
	f.self.known, f.self.id = true, info.UserID
	return info.UserID, nil
}

func (v *versions) fields() []string {
	if v.by {
		return []string{v.field, "LastModifiedById"}
	}
	return []string{v.field}
}

// judge gives the verdict on an item that is to be skipped, nil for one to be
// written.
func (v *versions) judge(it *item, r found) *verdict {
	if r.version == nil || r.version == "" || v.by && r.by == v.self {
		return nil
	}
	n, err := v.compare(r.version, it.row.Version)
	if err != nil {
		return &verdict{err: &refusal{reason: flow.BadValue, fields: []string{v.field}, text: "conflict " + string(v.policy) + ": " + err.Error()}}
	}
	switch {
	case v.policy == SkipIfChanged && n > 0:
		return &verdict{done: flow.Skipped, reason: flow.SkipChanged, id: r.id}
	case v.policy == NewerWins && (n > 0 || n == 0 && !v.stamp):
		return &verdict{done: flow.Skipped, reason: flow.SkipOlder, id: r.id}
	}
	return nil
}

// compare is below zero if the row's version is before the record's, and above
// if it is after.
func (v *versions) compare(row any, record string) (int, error) {
	text, err := salesforce.Text(row)
	if err != nil {
		return 0, fmt.Errorf("the row's version: %w", err)
	}
	if record == "" {
		return 0, errors.New("the record has no version: see the flow's version")
	}
	rowTime, rowIsTime := timeOf(text)
	recordTime, recordIsTime := timeOf(record)
	if rowIsTime && recordIsTime {
		switch {
		case v.stamp:
			recordTime = recordTime.Truncate(time.Second)
		case v.day:
			recordTime = recordTime.Truncate(24 * time.Hour)
		}
		return rowTime.Compare(recordTime), nil
	}
	rowNumber, rowIsNumber := numberOf(text)
	recordNumber, recordIsNumber := numberOf(record)
	switch {
	case rowIsNumber && recordIsNumber:
		return rowNumber.Cmp(recordNumber), nil
	case rowIsTime && recordIsNumber: // in milliseconds, as Kafka's timestamps
		stamp := new(big.Rat).SetInt64(rowTime.UnixMilli())
		if v.stamp {
			recordNumber = wholeSeconds(recordNumber)
		}
		return stamp.Cmp(recordNumber), nil
	case rowIsNumber && recordIsTime:
		return rowNumber.Cmp(new(big.Rat).SetInt64(recordTime.UnixMilli())), nil
	}
	return 0, errors.New("the versions of row and record are not both times or numbers")
}

// wholeSeconds cuts milliseconds to whole seconds.
func wholeSeconds(ms *big.Rat) *big.Rat {
	thousand := big.NewInt(1000)
	n := new(big.Int).Div(ms.Num(), ms.Denom())
	return new(big.Rat).SetInt(n.Mul(n.Div(n, thousand), thousand))
}

// timeOf reads a time in the forms of the org and of RFC 3339.
func timeOf(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05Z0700", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// numberOf reads a number exactly.
func numberOf(s string) (*big.Rat, bool) {
	digits, err := salesforce.Digits(json.Number(s))
	if err != nil || len(digits) > 1000 {
		return nil, false
	}
	return new(big.Rat).SetString(digits)
}
