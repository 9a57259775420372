package kafka

import "time"

// hold is what tells whether a member still has its partitions at this moment.
type hold struct {
	alive time.Time // when the last heartbeat that was answered had been sent
	asked time.Time // the one before the first that was answered by "rebalance"; zero until then
	over  bool
}

// touch notes a heartbeat that was answered; rebalance tells that the answer was to join again.
func (gen *Generation) touch(sent time.Time, rebalance bool) {
	gen.mu.Lock()
	defer gen.mu.Unlock()
	if rebalance && gen.hold.asked.IsZero() {
		gen.hold.asked = gen.hold.alive // the rebalance has begun after that one
	}
	gen.hold.alive = sent
}

// giveUp makes held false for good.
func (gen *Generation) giveUp() {
	gen.mu.Lock()
	gen.hold.over = true
	gen.mu.Unlock()
}

// held tells whether nobody else can have been given the partitions: the session has not run out by our clock, and a
// rebalance under way still waits for us. Both end a tenth early.
func (gen *Generation) held() bool {
	gen.mu.Lock()
	h := gen.hold
	gen.mu.Unlock()
	cfg := &gen.group.cfg
	return !h.over && since(h.alive) < cfg.SessionTimeout*9/10 && (h.asked.IsZero() || since(h.asked) < cfg.RebalanceTimeout*9/10)
}

// since is the time from t to now by the clock that has gone further. The monotonic one stands still on some systems while
// the machine sleeps, and the wall clock may be set.
func since(t time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}
