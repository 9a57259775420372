package flow_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/internal/flow"
)

func TestState_Problem_OnlyWhatNeedsEyes(t *testing.T) {
	old := []flow.Partition{{Topic: "erp", Partition: 3, Oldest: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)}}
	for name, tc := range map[string]struct {
		do    func(*flow.State)
		after time.Duration
		parts []flow.Partition
		want  string // a part of it; empty = well
	}{
		"waiting for a share": {after: time.Hour},
		"running":             {do: func(s *flow.State) { s.Set(flow.Running, "", time.Time{}) }, after: time.Hour},
		"a short back-off":    {do: func(s *flow.State) { s.Set(flow.BackingOff, "org away", time.Time{}) }, after: 29 * time.Second},
		"a long back-off":     {do: func(s *flow.State) { s.Set(flow.BackingOff, "org away", time.Time{}) }, after: 31 * time.Second, want: "org away"},
		"a back-off that began anew": {do: func(s *flow.State) {
			s.Set(flow.BackingOff, "org away", time.Time{})
			time.Sleep(time.Minute)
			s.Set(flow.Running, "", time.Time{})
			s.Set(flow.BackingOff, "org away", time.Time{})
		}, after: time.Second},
		"at a limit":          {do: func(s *flow.State) { s.Set(flow.AtLimit, "calls used up", time.Now().Add(time.Hour)) }, want: "calls used up, until "},
		"stopped":             {do: func(s *flow.State) { s.Set(flow.Stopped, "topic gone", time.Time{}) }, want: "stopped: topic gone"},
		"records without end": {do: func(s *flow.State) { s.Set(flow.Running, "", time.Time{}) }, after: 6 * time.Minute, parts: old, want: "partition 3 of erp"},
		"old records that move": {do: func(s *flow.State) {
			s.Set(flow.Running, "", time.Time{})
			time.Sleep(6 * time.Minute)
			s.Moved()
		}, after: time.Minute, parts: old},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := flow.NewState()
				if tc.do != nil {
					tc.do(s)
				}
				time.Sleep(tc.after)
				got := s.Problem(tc.parts)
				if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
					t.Errorf("problem %q, want %q", got, tc.want)
				}
			})
		})
	}
}

func TestState_Set_SinceOnlyMovesWithTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := flow.NewState()
		if !s.Set(flow.BackingOff, "one", time.Time{}) {
			t.Error("a new state is no change")
		}
		began := time.Now()
		time.Sleep(time.Minute)
		if s.Set(flow.BackingOff, "two", time.Time{}) {
			t.Error("another reason is a change of state")
		}
		var st flow.Status
		s.Fill(&st)
		if st.State != flow.BackingOff || st.Reason != "two" || !st.Since.Equal(began) {
			t.Errorf("status %+v, want backing off since %v", st, began)
		}
	})
}
