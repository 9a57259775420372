package bulk

import (
	"testing"
	"time"
)

func TestNextPoll_ComesWhenTheJobShouldBeDone(t *testing.T) {
	for _, c := range []struct {
		since     time.Duration
		processed int
		want      time.Duration
	}{
		{8 * time.Second, 0, 2 * time.Second},                        // tells nothing yet
		{8 * time.Second, 100_000, 2 * time.Second},                  // all rows done, and still at work
		{time.Second, 1000, time.Second},                             // far away: no more than as long again
		{4 * time.Second, 80_000, time.Second},                       // a fifth is left
		{10 * time.Second, 99_000, 10 * time.Second * 1000 / 99_000}, // nearly there
	} {
		got := nextPoll(c.since, &Job{Processed: c.processed}, 100_000)
		if d := got - c.want; d < -time.Millisecond || d > time.Millisecond {
			t.Errorf("%d rows after %s: %s, want %s", c.processed, c.since, got, c.want)
		}
	}
	if got := nextPoll(8*time.Second, nil, 100_000); got != 2*time.Second {
		t.Errorf("of an unknown job: %s", got)
	}
}
