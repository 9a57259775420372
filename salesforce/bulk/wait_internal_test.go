package bulk

import (
	"testing"
	"time"
)

func TestNextPoll_ComesWhenTheJobShouldBeDone(t *testing.T) {
	client := &Client{cfg: Config{FirstPoll: time.Second}}
	for _, c := range []struct {
		since     time.Duration
		processed int
		want      time.Duration
	}{
		{8 * time.Second, 0, 2 * time.Second},              // tells nothing yet
		{2 * time.Second, 0, time.Second},                  // no sooner than that
		{8 * time.Second, 100_000, 2 * time.Second},        // all rows done, and still at work
		{time.Second, 1000, time.Second},                   // far away: no more than as long again
		{4 * time.Second, 90_000, 444 * time.Millisecond},  // a tenth is left
		{10 * time.Second, 99_900, 250 * time.Millisecond}, // nearly there
	} {
		got := client.nextPoll(c.since, &Job{Processed: c.processed}, 100_000)
		if d := got - c.want; d < -time.Millisecond || d > time.Millisecond {
			t.Errorf("%d rows after %s: %s, want %s", c.processed, c.since, got, c.want)
		}
	}
	if got := client.nextPoll(8*time.Second, nil, 100_000); got != 2*time.Second {
		t.Errorf("of an unknown job: %s", got)
	}
}
