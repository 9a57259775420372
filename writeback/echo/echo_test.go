package echo_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sfbridge/event"
	"sfbridge/writeback/echo"
	"sfbridge/writeback/rows"
)

type body = map[string]any

func TestC52_OwnWriteIsAnEcho_AutomationUnderTheSameOriginIsNot(t *testing.T) {
	inBubble(t, func(w *world) {
		w.announce(update(idA, set{"Phone": "1"})).Done([]string{idA})
		if !w.isEcho(updated(idA, body{"Phone": "1"})) {
			t.Error("event 1, the write itself, is not taken for an echo")
		}
		if w.isEcho(updated(idA, body{"Phone": "+1"})) {
			t.Error("event 2, the automation's value, is taken for an echo")
		}
		if w.isEcho(updated(idA, body{"Phone": "1"})) {
			t.Error("the automation's way back to the value is taken for an echo: an announcement counts once")
		}
	})
}

func TestC52_TriggerThatChangesOurValueInTheSameTransaction_IsAChange(t *testing.T) {
	inBubble(t, func(w *world) {
		w.announce(update(idA, set{"Phone": "1"}))
		if w.isEcho(updated(idA, body{"Phone": "+1"})) {
			t.Error("a write that came out with another value is taken for an echo")
		}
	})
}

func TestUpdate_FieldThatNobodyWrote_IsAChange(t *testing.T) {
	inBubble(t, func(w *world) {
		w.announce(update(idA, set{"Phone": "1"}))
		if w.isEcho(updated(idA, body{"Phone": "1", "Name": "by a trigger"})) {
			t.Error("a change of a field that was not written is taken for an echo")
		}
	})
}

func TestOrigin_OnlyTheWholeNameIsOurs(t *testing.T) {
	inBubble(t, func(w *world) {
		for origin, want := range map[string]bool{
			ours: true, ours + "/": true,
			"com/salesforce/api/bulkapi/64.0;client=sfbridge-crm": true,
			"com/salesforce/api/soap/64.0;client=sfbridge-crm/":   true,
			ours + "2": false, "com/salesforce/api/rest/64.0;client=sfbridge-cr": false,
			"com/salesforce/api/rest/64.0;client=x-sfbridge-crm": false, "com/salesforce/api/rest/64.0": false,
			"com/salesforce/api/rest/64.0;client=SFBRIDGE-CRM": false, "sfbridge-crm": false,
		} {
			w.announce(update(idA, set{"Phone": "1"})).Done([]string{idA})
			c := updated(idA, body{"Phone": "1"})
			c.origin = origin
			if got := w.isEcho(c); got != want {
				t.Errorf("origin %q: echo %v, want %v", origin, got, want)
			}
		}
	})
}

func TestCreate_ByExternalID(t *testing.T) {
	row := set{"Name": "Acme", "Phone": "1"}
	inBubble(t, func(w *world) {
		w.announce(upsert("E-1", row), upsert("E-2", row))
		for _, tt := range []struct {
			what string
			c    change
			want bool
		}{
			{"another external id", created(idA, body{"ERP__c": "E-3", "Name": "Acme", "Phone": "1"}), false},
			{"another value", created(idA, body{"ERP__c": "E-1", "Name": "Acme", "Phone": "2"}), false},
			{"a value that is gone", created(idA, body{"ERP__c": "E-1", "Name": "Acme"}), false},
			{"with the org's defaults", created(idA, body{"ERP__c": "E-1", "Name": "Acme", "Phone": "1", "Active__c": true}), true},
			{"the same again", created(idB, body{"ERP__c": "E-1", "Name": "Acme", "Phone": "1"}), false},
			{"its neighbour", created(idB, body{"ERP__c": "E-2", "Name": "Acme", "Phone": "1"}), true},
		} {
			if got := w.isEcho(tt.c); got != tt.want {
				t.Errorf("%s: echo %v, want %v", tt.what, got, tt.want)
			}
		}
	})
}

func TestCreate_ByNumericExternalID(t *testing.T) {
	inBubble(t, func(w *world) {
		_, err := w.announcer.Announce(w.t.Context(), echo.Batch{
			Org: "main", Object: "Thing__c", KeyField: "Number__c", Writes: []echo.Write{upsert("38861788", set{"Name": "Acme"})},
		})
		if err != nil {
			t.Fatal(err)
		}
		if !w.isEcho(created(idA, body{"Number__c": 3.8861788e7, "Name": "Acme"})) {
			t.Error("not an echo")
		}
	})
}

func TestCreate_WithoutAKey_ByContent(t *testing.T) {
	insert := func(values set) echo.Write { return echo.Write{Operation: rows.Insert, Fields: pairs(values)} }
	inBubble(t, func(w *world) {
		w.announce(insert(set{"Name": "A", "Phone": nil}), insert(set{"Name": "B", "Phone": "2", "Hidden__c": "x"}))
		if w.isEcho(created(idA, body{"Name": "A", "Phone": "2"})) {
			t.Error("values of two rows make one echo")
		}
		if !w.isEcho(created(idA, body{"Name": "B", "Phone": "2"})) {
			t.Error("a field that events do not carry hinders")
		}
		if !w.isEcho(created(idB, body{"Name": "A", "Count__c": int32(0)})) {
			t.Error("a row with a null is not found")
		}
		if w.isEcho(updated(idC, body{"Name": "A"})) {
			t.Error("an insert explains an update")
		}
	})
}

// Before the call's answer is known, rows with equal values cannot be told
// apart; once it is known they are.
func TestRowsWithEqualValues_AreCountedByRecordOnceTheAnswerIsKnown(t *testing.T) {
	inBubble(t, func(w *world) {
		n := w.announce(upsert("1", set{"Phone": "1"}), upsert("2", set{"Phone": "1"}), upsert("3", set{"Phone": "1"}))
		if !w.isEcho(updated(idB, body{"Phone": "1"})) {
			t.Error("first event is not an echo")
		}
		if w.isEcho(updated(idB, body{"Phone": "1"})) {
			t.Error("one batch is said to write a record twice")
		}
		n.Done([]string{idA, idB, ""})
		time.Sleep(time.Second)
		if w.isEcho(updated(idB, body{"Phone": "1"})) {
			t.Error("a record that was seen counts as unseen once its id is known")
		}
		if w.isEcho(updated(idC, body{"Phone": "1"})) {
			t.Error("a row that was not written explains a change")
		}
		if !w.isEcho(updated(idA, body{"Phone": "1"})) {
			t.Error("the other record is not an echo any more")
		}
	})
}

// Two calls write the same into two records, whose events come in the other order
// than the announcements. Whatever is known of the calls' answers when, each record
// has one echo and no more.
func TestCallsWithEqualValues_HaveOneEchoEach(t *testing.T) {
	for _, order := range []string{
		"event B, answer B, event A, answer A", "event B, event A, answer B, answer A", "event B, event A, answer A, answer B",
		"event B, answer A, event A, answer B", "answer B, event B, event A, answer A", "event A, answer A, answer B, event B",
		"event B, answer B, event A", "event B, event A, answer B",
	} {
		inBubble(t, func(w *world) {
			ids := map[string]string{"A": idA, "B": idB}
			said := map[string]*echo.Announced{"A": w.announce(upsert("1", set{"Phone": "1"}))}
			said["B"] = w.announce(upsert("2", set{"Phone": "1"}))
			for step := range strings.SplitSeq(order, ", ") {
				what, which, _ := strings.Cut(step, " ")
				if what == "answer" {
					said[which].Done([]string{ids[which]})
					time.Sleep(time.Second)
				} else if !w.isEcho(updated(ids[which], body{"Phone": "1"})) {
					t.Errorf("%s: the %s is not an echo", order, step)
				}
			}
			for _, id := range ids {
				if strings.Count(order, "answer") == 2 && w.isEcho(updated(id, body{"Phone": "1"})) {
					t.Errorf("%s: record %s has a second echo", order, id)
				}
			}
		})
	}
}

func TestUpdate_ThatShowsNothing_IsAnEchoAndUsesUpNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		if !w.isEcho(updated(idC, nil)) {
			t.Error("without a write, as the second of two tries: not an echo")
		}
		// Whose call it is cannot be told: the next one of the record may be announced.
		w.announce(update(idA, set{"Phone": "1"}))
		if !w.isEcho(updated(idA, nil)) || !w.isEcho(updated(idA, body{"Phone": "1"})) {
			t.Error("the write's own event is not an echo any more")
		}
		c := updated(idA, nil)
		c.origin = "com/salesforce/api/rest/64.0;client=people"
		if w.isEcho(c) {
			t.Error("somebody else's is taken for an echo")
		}
	})
}

func TestDeleteAndUndelete_ByRecord(t *testing.T) {
	inBubble(t, func(w *world) {
		w.announce(echo.Write{Operation: rows.Delete, ID: idA}, echo.Write{Operation: rows.Delete, ID: idB})
		if got := w.judged(change{typ: event.Delete, ids: []string{idB, idC, idA}}); !slices.Equal(got, []bool{true, false, true}) {
			t.Errorf("merged delete of B, C, A: %v, want C to be somebody else's", got)
		}
		if w.isEcho(change{typ: event.Undelete, id: idA, body: body{"Name": "A"}}) {
			t.Error("a delete explains an undelete")
		}
		w.announce(echo.Write{Operation: rows.Undelete, ID: idA})
		if !w.isEcho(change{typ: event.Undelete, id: idA, body: body{"Name": "A"}}) {
			t.Error("an undelete is not an echo")
		}
		w.announce(echo.Write{Operation: rows.Delete, Key: "E-1"})
		if !w.isEcho(change{typ: event.Delete, id: idC}) {
			t.Error("a delete by external id is not an echo")
		}
	})
}

func TestGapEvent_IsAChange(t *testing.T) {
	inBubble(t, func(w *world) {
		w.announce(update(idA, set{"Phone": "1"}))
		if w.isEcho(change{typ: event.GapUpdate, id: idA}) {
			t.Error("an event that does not say what changed is taken for an echo")
		}
	})
}

func TestCommitThatFailed_EventsThatComeAgainAreEchoesAgain(t *testing.T) {
	inBubble(t, func(w *world) {
		w.announce(update(idA, set{"Phone": "1"}))
		payload, h := w.encode(updated(idA, body{"Phone": "1"}))
		for i := range 3 {
			// The second time around it may be another channel's judge.
			if j := w.registry.Judge("main"); !w.judgedBy(j, payload, h)[0] {
				t.Errorf("time %d: not an echo", i+1)
			}
		}
	})
}

func TestFailedRows_ExplainNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		w.announce(update(idA, set{"Phone": "1"}), update(idB, set{"Phone": "1"})).Done([]string{"", idB})
		time.Sleep(time.Second)
		if w.isEcho(updated(idA, body{"Phone": "1"})) {
			t.Error("a write that failed explains somebody else's change")
		}
		if !w.isEcho(updated(idB, body{"Phone": "1"})) {
			t.Error("its neighbour is not an echo")
		}
	})
}

func TestAnswerThatWasLost_KeepsTheAnnouncement(t *testing.T) {
	inBubble(t, func(w *world) {
		w.announce(update(idA, set{"Phone": "1"})) // the connection broke: no Done
		n := w.announce(update(idA, set{"Phone": "1"}))
		n.Done([]string{idA})
		for i := range 2 {
			if !w.isEcho(updated(idA, body{"Phone": "1"})) {
				t.Errorf("event %d of the two calls is not an echo", i+1)
			}
		}
	})
}

// What was answered before the next write was announced cannot show after it.
func TestEarlierWrites_AreUsedUpByALaterOne(t *testing.T) {
	inBubble(t, func(w *world) {
		w.announce(update(idA, set{"Phone": "1"})).Done([]string{idA}) // it changed nothing: no event
		time.Sleep(time.Second)
		w.announce(update(idA, set{"Phone": "2"})).Done([]string{idA})
		if !w.isEcho(updated(idA, body{"Phone": "2"})) {
			t.Error("the second write is not an echo")
		}
		if w.isEcho(updated(idA, body{"Phone": "1"})) {
			t.Error("the automation that puts the old value back is taken for the first write's echo")
		}
	})
}

func TestTime_AChangeLongBeforeOrAfterTheCallIsSomebodyElses(t *testing.T) {
	inBubble(t, func(w *world) {
		w.announce(update(idA, set{"Phone": "1"})).Done([]string{idA})
		time.Sleep(time.Hour)
		for _, at := range []time.Duration{-2 * time.Hour, 0} {
			c := updated(idA, body{"Phone": "1"})
			c.at = time.Now().Add(at)
			if w.isEcho(c) {
				t.Errorf("a change at %s from now is taken for a write of an hour ago", at)
			}
		}
		c := updated(idA, body{"Phone": "1"})
		c.at = time.Now().Add(-time.Hour)
		if !w.isEcho(c) {
			t.Error("an event that comes an hour late is not an echo")
		}
	})
}

func TestOrgAndObject_AreKeptApart(t *testing.T) {
	inBubble(t, func(w *world) {
		w.announce(update(idA, set{"Phone": "1"}))
		payload, h := w.encode(updated(idA, body{"Phone": "1"}))
		if w.judgedBy(w.registry.Judge("other"), payload, h)[0] {
			t.Error("a write into one org explains a change in another")
		}
		c := updated(idA, body{"Phone": "1"})
		c.object = "Other__c"
		if w.isEcho(c) {
			t.Error("a write into one object explains a change of another")
		}
	})
}

func TestOtherProcess_ReadsWhatWasAnnouncedBefore(t *testing.T) {
	inBubble(t, func(w *world) {
		w.announce(update(idA, set{"Phone": "1"}))
		late := w.follow(echo.RegistryConfig{})
		payload, h := w.encode(updated(idA, body{"Phone": "1"}))
		if !w.judgedBy(late.Judge("main"), payload, h)[0] {
			t.Error("a process that started later does not know of the write")
		}
	})
}

func TestLargeBatch_IsFoundRowByRow(t *testing.T) {
	const n = 20_000
	inBubble(t, func(w *world) {
		phone := fields["Phone"]
		row := make([]echo.Pair, 1)
		a, err := w.announcer.Announce(w.t.Context(), echo.Batch{
			Org: "main", Object: "thing__C", KeyField: "ERP__c",
			Each: func(yield func(echo.Write) bool) {
				for i := range n {
					row[0] = echo.Pair{Field: phone, Value: rows.Value{Kind: rows.Text, Text: fmt.Sprint(i % 5000)}}
					if !yield(echo.Write{Operation: rows.Upsert, Key: fmt.Sprint(i), Fields: row}) {
						return
					}
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		id := func(i int) string { return fmt.Sprintf("a00SB%010dAYA", i) }
		for i := 0; i < n; i += 997 {
			if !w.isEcho(updated(id(i), body{"Phone": fmt.Sprint(i % 5000)})) {
				t.Fatalf("row %d is not an echo", i)
			}
		}
		ids := make([]string, n)
		for i := range ids {
			ids[i] = id(i)
		}
		a.Done(ids)
		time.Sleep(time.Second)
		for i := 1; i < n; i += 997 {
			if w.isEcho(updated(id(i), body{"Phone": fmt.Sprint((i + 1) % 5000)})) {
				t.Fatalf("row %d with its neighbour's value is an echo", i)
			}
			if !w.isEcho(updated(id(i), body{"Phone": fmt.Sprint(i % 5000)})) {
				t.Fatalf("row %d is not an echo after the answer", i)
			}
		}
	})
}

func TestRegistry_DropsTheOldestBeyondItsRoom(t *testing.T) {
	inBubble(t, func(w *world) {
		small := w.follow(echo.RegistryConfig{MaxBytes: 20 << 10})
		for i := range 100 {
			w.announce(update(fmt.Sprintf("a00SB%010dAYA", i), set{"Phone": "1"}))
		}
		judge := small.Judge("main")
		for _, i := range []int{99, 0} { // the newest first: it is there once all are read
			want := i == 99
			payload, h := w.encode(updated(fmt.Sprintf("a00SB%010dAYA", i), body{"Phone": "1"}))
			if got := w.judgedBy(judge, payload, h)[0]; got != want {
				t.Errorf("write %d of 100: echo %v, want %v", i, got, want)
			}
		}
	})
}

func TestAnnounce_CallThatIsGivenUp_LeavesNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		w.unreachable(true)
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		_, err := w.announcer.Announce(ctx, echo.Batch{Org: "main", Object: "Thing__c", Writes: []echo.Write{update(idA, set{"Phone": "1"})}})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("announce without Kafka: %v", err)
		}
		w.unreachable(false)
		time.Sleep(time.Minute)
		if w.isEcho(updated(idA, body{"Phone": "1"})) {
			t.Error("a call that was never made explains somebody else's change")
		}
		w.announce(update(idA, set{"Phone": "1"}))
		if !w.isEcho(updated(idA, body{"Phone": "1"})) {
			t.Error("nothing is announced any more")
		}
	})
}

func TestAnnounce_ManyAtOnce_GoTogether(t *testing.T) {
	inBubble(t, func(w *world) {
		before := len(w.cluster.ReadCommitted(w.t, writesTopic))
		for _, addr := range w.cluster.Brokers {
			w.cluster.Net.Latency(addr, 5*time.Millisecond)
		}
		for i := range 50 {
			go w.announcer.Announce(context.Background(), echo.Batch{
				Org: "main", Object: "Thing__c", Writes: []echo.Write{update(fmt.Sprintf("a00SB%010dAYA", i), set{"Phone": "1"})},
			})
		}
		time.Sleep(5 * time.Second)
		if n := len(w.cluster.ReadCommitted(w.t, writesTopic)) - before; n > 5 {
			t.Errorf("50 announcements at once took %d records", n)
		}
		for i := range 50 {
			if !w.isEcho(updated(fmt.Sprintf("a00SB%010dAYA", i), body{"Phone": "1"})) {
				t.Errorf("write %d is not an echo", i)
			}
		}
	})
}

func TestNilAnnouncer_AnnouncesNothing(t *testing.T) {
	var a *echo.Announcer
	n, err := a.Announce(t.Context(), echo.Batch{Writes: []echo.Write{update(idA, set{"Phone": "1"})}})
	if n != nil || err != nil {
		t.Errorf("got %v, %v", n, err)
	}
	n.Done([]string{idA})
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}
