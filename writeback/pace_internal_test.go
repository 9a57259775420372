package writeback

import (
	"errors"
	"testing"
	"time"

	"sfbridge/salesforce"
)

func TestBudget_ReserveScarceAndPlenty(t *testing.T) {
	b := budget{reserve: 0.1, scarce: 0.25}
	now := time.Now()
	for name, tc := range map[string]struct {
		usage   salesforce.APIUsage
		limit   bool
		spacing time.Duration
	}{
		"nothing known":      {},
		"plenty":             {usage: salesforce.APIUsage{Used: 70, Limit: 100, At: now}},
		"scarce":             {usage: salesforce.APIUsage{Used: 76, Limit: 100, At: now}, spacing: time.Minute},
		"scarce, many calls": {usage: salesforce.APIUsage{Used: 80_000, Limit: 100_000, At: now}, spacing: 864 * time.Millisecond},
		"at the reserve":     {usage: salesforce.APIUsage{Used: 90, Limit: 100, At: now}, limit: true},
		"beyond the limit":   {usage: salesforce.APIUsage{Used: 120, Limit: 100, At: now}, limit: true},
		"no limit told":      {usage: salesforce.APIUsage{Used: 5, At: now}},
	} {
		a := b.at(tc.usage)
		if a.atLimit != tc.limit || a.spacing != tc.spacing || (a.reason != "") != tc.limit {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestPace_FailuresPauseAllAndComeBackOneByOne(t *testing.T) {
	p := newPace(5)
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	away := &callError{err: errors.New("connection refused"), class: salesforce.ClassTransient}
	if p.calls(now) != 5 {
		t.Fatalf("%d calls at first", p.calls(now))
	}
	for range 5 { // that were under way together
		if label := p.failed(now, away); label != "unreachable" {
			t.Errorf("label %s", label)
		}
	}
	if p.fails != 1 || p.calls(now) != 0 || p.until.Sub(now) > time.Second {
		t.Errorf("%d failures, %d calls, wait %s", p.fails, p.calls(now), p.until.Sub(now))
	}
	now = p.until
	if p.calls(now) != 1 {
		t.Errorf("%d calls after the wait, want one alone", p.calls(now))
	}
	p.failed(now, &callError{err: away.err, after: 90 * time.Second})
	if wait := p.until.Sub(now); wait < 90*time.Second {
		t.Errorf("wait %s is shorter than the org asked for", wait)
	}
	p.well()
	if p.calls(now) != 5 || p.reason != "" {
		t.Errorf("%d calls, reason %q", p.calls(now), p.reason)
	}
}

func TestPace_EachKindHasItsWait(t *testing.T) {
	daily := &salesforce.Error{Code: "REQUEST_LIMIT_EXCEEDED", Status: 403, Message: "TotalRequests Limit exceeded."}
	concurrent := &salesforce.Error{Code: "REQUEST_LIMIT_EXCEEDED", Status: 403, Message: "ConcurrentRequests (Concurrent API Requests) Limit exceeded."}
	for name, tc := range map[string]struct {
		err   error
		label string
		limit bool
		calls int // later, at once
		least time.Duration
		most  time.Duration
	}{
		"daily":      {daily, "limit", true, 6, limitLook, 2 * limitLook},
		"concurrent": {concurrent, "concurrent", false, 3, 0, time.Second},
		"storage":    {&salesforce.Error{Code: codeStorage, Status: 400}, "limit", true, 6, limitLook, 2 * limitLook},
		"login":      {&salesforce.Error{Code: "INVALID_SESSION_ID", Status: 401}, "login", false, 6, 0, time.Second},
		"edge":       {&salesforce.Error{Status: 503}, "refused", false, 6, 0, time.Second},
	} {
		p := newPace(6)
		now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		label := p.failed(now, asCallError(tc.err))
		wait := p.until.Sub(now)
		p.well()
		if label != tc.label || wait < tc.least || wait > tc.most || p.calls(now) != tc.calls {
			t.Errorf("%s: label %s, wait %s, then %d calls", name, label, wait, p.calls(now))
		}
	}
}

func TestPace_Locks_LowerTheCallsAndKeepParentsApart(t *testing.T) {
	p := newPace(8)
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	p.locked(now)
	p.locked(now)
	if p.calls(now) != 4 || !p.exclusive(now) {
		t.Errorf("%d calls, exclusive %v", p.calls(now), p.exclusive(now))
	}
	now = now.Add(lockQuiet)
	for range 10 {
		p.calls(now)
		now = now.Add(recovery)
	}
	if p.calls(now) != 8 || p.exclusive(now) {
		t.Errorf("%d calls, exclusive %v", p.calls(now), p.exclusive(now))
	}
}

func TestOrigin_OnlyWhatIsOne(t *testing.T) {
	for s, ok := range map[string]bool{
		"erp.orders/0/17": true, "a/2147483647/9223372036854775807": true,
		"": false, "erp.orders": false, "erp.orders/0": false, "/0/1": false, "t/-1/5": false, "t/1/-5": false, "t/x/5": false, "t/1/5/6": false, "t/2147483648/5": false,
	} {
		o, got := parseOrigin(s)
		if got != ok || ok && place(o.Topic, o.Partition, o.offset) != s {
			t.Errorf("%q: %+v, %v", s, o, got)
		}
	}
}

func TestReasons_OfRefusals(t *testing.T) {
	for code, want := range map[string]string{
		"STRING_TOO_LONG": "bad_value", "REQUIRED_FIELD_MISSING": "validation", "DUPLICATES_DETECTED": "duplicate", "DUPLICATE_VALUE": "duplicate",
		"DUPLICATE_EXTERNAL_ID": "ambiguous", "ENTITY_IS_DELETED": "row_deleted", "NOT_FOUND": "not_found", "INSUFFICIENT_ACCESS_OR_READONLY": "permission",
		"UNABLE_TO_LOCK_ROW": "locked", "INVALID_FIELD": "unknown_field", "NEVER_HEARD_OF": "rejected", "": "rejected",
	} {
		e := &salesforce.Error{Code: code, Status: 400}
		if r := refused(e); r.reason != want || r.cause != e || r.text == "" {
			t.Errorf("%s: %+v, want %s", code, r, want)
		}
	}
}
