package bridge

import (
	"reflect"
	"testing"
	"time"

	"sfbridge/event"
	"sfbridge/pubsub"
)

func TestTracker_SharedReplayID_ResumesBeforeTheGroup(t *testing.T) {
	tr := newTracker(event.Position{Channel: "/data/ChangeEvents"}, false)
	tr.cursor.Keepalive(event.ReplayID("k0"))
	for _, id := range []string{"a", "b", "b"} {
		tr.cursor.Event(event.ReplayID(id))
	}
	stored := tr.at(time.Now())
	if string(stored.ReplayID) != "a" || string(stored.OpenReplayID) != "b" || stored.OpenCount != 2 {
		t.Fatalf("stored %+v, want a with two events of b", stored)
	}
	want := pubsub.Start{Preset: pubsub.After, ReplayID: event.ReplayID("a"), OpenReplayID: event.ReplayID("b"), OpenCount: 2}
	got, _ := newTracker(stored, false).cursor.Resume()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("resume at %+v, want %+v", got, want)
	}
}

func TestTracker_NoPosition_StartsAsConfigured(t *testing.T) {
	none := event.Position{Channel: "/data/AccountChangeEvent"}
	for earliest, want := range map[bool]pubsub.Preset{true: pubsub.Earliest, false: pubsub.Latest} {
		if got := startOf(none, earliest); got.Preset != want {
			t.Errorf("earliest %v starts at preset %d, want %d", earliest, got.Preset, want)
		}
	}
	known := event.Position{Channel: "/data/AccountChangeEvent", ReplayID: event.ReplayID("x")}
	if got := startOf(known, true); got.Preset != pubsub.After {
		t.Errorf("a known position starts at preset %d, want after it", got.Preset)
	}
}

func TestTracker_FailedResponse_LeavesThePosition(t *testing.T) {
	tr := newTracker(event.Position{Channel: "/data/AccountChangeEvent", ReplayID: event.ReplayID("a"), Events: 1}, false)
	before := tr.save()
	tr.cursor.Event(event.ReplayID("b"))
	tr.pos.Events++
	tr.restore(before)
	if got := tr.at(time.Now()); string(got.ReplayID) != "a" || got.Events != 1 {
		t.Errorf("position %s with %d events, want a with 1", got.ReplayID, got.Events)
	}
}

func TestChannels_ByObject(t *testing.T) {
	for object, want := range map[string]string{
		"Account":       "/data/AccountChangeEvent",
		"Order__c":      "/data/Order__ChangeEvent",
		"ns__Order__c":  "/data/ns__Order__ChangeEvent",
		"OpportunityEx": "/data/OpportunityExChangeEvent",
	} {
		if got := ChangeChannel(object); got != want {
			t.Errorf("channel of %s: %s, want %s", object, got, want)
		}
		if got := objectOfChannel(want); got != object {
			t.Errorf("object of %s: %s, want %s", want, got, object)
		}
	}
	for _, channel := range []string{"/data/ChangeEvents", "/data/Sales__chn", "/event/Shipment__e"} {
		if got := objectOfChannel(channel); got != "" {
			t.Errorf("object of %s: %q, want none", channel, got)
		}
	}
}
