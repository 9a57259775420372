package echo_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"
)

// day and clock times as events carry them.
func ms(t string) int64 {
	at, err := time.Parse(time.RFC3339Nano, t)
	if err != nil {
		panic(err)
	}
	return at.UnixMilli()
}

func TestValues_AreComparedAsTheOrgKeepsThem(t *testing.T) {
	tests := []struct {
		field   string
		written any
		path    string // of the event
		seen    any
		want    bool
	}{
		{"Phone", "  1 ", "Phone", "1", true},
		{"Phone", "1", "Phone", "2", false},
		{"Phone", nil, "Phone", nil, true},
		{"Phone", "   ", "Phone", nil, true},
		{"Phone", nil, "Phone", "1", false},
		{"Name", "Zoë 東京", "Name", "Zoë 東京", true},
		{"Name", "Acme", "Name", "ACME", false},
		{"Email__c", "Me@Acme.Example", "Email__c", "me@acme.example", true},
		{"Amount__c", "0.30", "Amount__c", 0.3, true},
		{"Amount__c", "1.005", "Amount__c", 1.01, true},
		{"Amount__c", "-1.005", "Amount__c", -1.01, true},
		{"Amount__c", "999999999999999.99", "Amount__c", 999999999999999.99, true},
		{"Amount__c", "1e2", "Amount__c", 100.0, true},
		{"Amount__c", "-0", "Amount__c", 0.0, true},
		{"Amount__c", "0", "Amount__c", nil, false},
		{"Amount__c", "12.5", "Amount__c", 12.51, false},
		{"Count__c", "42", "Count__c", int32(42), true},
		{"Active__c", true, "Active__c", true, true},
		{"Active__c", "TRUE", "Active__c", true, true},
		{"Active__c", false, "Active__c", true, false},
		{"Active__c", nil, "Active__c", false, true},
		{"Due__c", "2024-02-29", "Due__c", ms("2024-02-29T00:00:00Z"), true},
		{"Due__c", "1583-10-15", "Due__c", ms("1583-10-15T00:00:00Z"), true},
		{"Due__c", "2024-02-29", "Due__c", ms("2024-02-28T00:00:00Z"), false},
		{"At__c", "2024-10-27T01:30:00.789Z", "At__c", ms("2024-10-27T01:30:00Z"), true},
		{"At__c", "2024-10-27T01:30:00.000Z", "At__c", ms("2024-10-27T01:30:01Z"), false},
		{"At__c", "1969-12-31T23:59:59.500Z", "At__c", ms("1969-12-31T23:59:59Z"), true},
		{"Hour__c", "23:59:59.999Z", "Hour__c", int64(86399999), true},
		{"Hour__c", "09:15", "Hour__c", int64(33300000), true},
		{"Tags__c", "b;a;b", "Tags__c", "a;b", true},
		{"Tags__c", "a;b", "Tags__c", "a;c", false},
		{"Notes__c", "one\r\ntwo", "Notes__c", "one\ntwo", true},
		{"BillingCity", "Lyon", "BillingAddress.City", "Lyon", true},
		{"BillingCity", nil, "BillingAddress.City", nil, true},
		{"BillingCity", "Lyon", "BillingAddress.City", "Paris", false},
		{"Depot__Latitude__s", "45.7640430", "Depot__c.Latitude", 45.764043, true},
	}
	inBubble(t, func(w *world) {
		for i, tt := range tests {
			id := fmt.Sprintf("a00SB%010dAYA", i)
			w.announce(update(id, set{tt.field: tt.written})).Done([]string{id})
			name, part, nested := strings.Cut(tt.path, ".")
			seen := body{name: tt.seen}
			if nested {
				seen[name] = body{part: tt.seen}
			}
			if got := w.isEcho(updated(id, seen)); got != tt.want {
				t.Errorf("%s written as %v, seen as %s = %v: echo %v, want %v", tt.field, tt.written, tt.path, tt.seen, got, tt.want)
			}
		}
	})
}

// The null of an update may be a value that the subscriber must not see.
func TestUpdate_NullThatIsNotCleared_IsAChange(t *testing.T) {
	inBubble(t, func(w *world) {
		w.announce(update(idA, set{"Phone": nil}))
		c := updated(idA, body{"Phone": nil})
		c.nulled = nil
		if w.isEcho(c) {
			t.Error("a hidden value is taken for the null that was written")
		}
	})
}

func TestUpdate_WhatFollowsFromOtherFieldsNeedsNoCause(t *testing.T) {
	inBubble(t, func(w *world) {
		w.announce(update(idA, set{"Name": "Acme"}))
		if !w.isEcho(updated(idA, body{"Name": "Acme", "Label__c": "Acme!"})) {
			t.Error("a formula over a written field makes the change somebody else's")
		}
		w.announce(update(idB, set{"BillingState": "Bavaria"}))
		if !w.isEcho(updated(idB, body{"BillingAddress": body{"State": "Bavaria", "StateCode": "BY"}})) {
			t.Error("the code that the org derives from a state makes the change somebody else's")
		}
		w.announce(update(idC, set{"BillingState": "Bavaria"}))
		if w.isEcho(updated(idC, body{"BillingAddress": body{"StateCode": "BY"}})) {
			t.Error("a code without its state is taken for an echo")
		}
	})
}

func TestUpdate_LongTextThatComesAsADifference(t *testing.T) {
	inBubble(t, func(w *world) {
		text := strings.Repeat("line of text\r\n", 100) + "end"
		diff := fmt.Sprintf("--- \n+++ %x\n@@ -1,1 +1,1 @@\n-a\n+b", sha256.Sum256([]byte(text)))
		other := fmt.Sprintf("--- \n+++ %x\n@@ -1,1 +1,1 @@\n-a\n+b", sha256.Sum256([]byte(text+"x")))
		for _, tt := range []struct {
			value string
			diffs []string
			want  bool
		}{
			{diff, []string{"Notes__c"}, true},
			{other, []string{"Notes__c"}, false},
			{text, nil, true},
			{"no difference at all", []string{"Notes__c"}, false},
			{diff, nil, false},
		} {
			n := w.announce(update(idA, set{"Notes__c": " " + text}))
			c := updated(idA, body{"Notes__c": tt.value})
			c.diffs = tt.diffs
			if got := w.isEcho(c); got != tt.want {
				t.Errorf("%.20q as a difference %v: echo %v, want %v", tt.value, tt.diffs, got, tt.want)
			}
			n.Done(nil)
		}
	})
}
