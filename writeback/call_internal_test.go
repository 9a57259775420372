package writeback

import (
	"context"
	"net/http"
	"testing"
	"time"

	"sfbridge/internal/flow"
	"sfbridge/kafka"
	"sfbridge/salesforce"
	"sfbridge/schemas"
)

// fadingShare is held for so many questions.
type fadingShare struct {
	fakeShare
	held int
}

func (s *fadingShare) Delivered() int64 { return 0 }

func (s *fadingShare) Held() bool {
	s.held--
	return s.held >= 0
}

func (s *fadingShare) Poll(context.Context) ([]*kafka.Delivery, error) {
	return nil, kafka.ErrShareOver
}
func (s *fadingShare) Notes() map[kafka.TopicPartition]string { return nil }
func (s *fadingShare) Done() <-chan struct{}                  { return nil }
func (s *fadingShare) Err() error                             { return nil }
func (s *fadingShare) Trouble() error                         { return nil }
func (s *fadingShare) Close(context.Context) error            { return nil }

func TestC41_ShareThatIsNotHeldByTheClock_NoCallIsMade(t *testing.T) {
	tg, rc := benchTarget(t)
	for held, calls := range map[int]int{0: 0, 1: 0, 2: 1} { // before the look-ups, right before the call
		org := &agreeable{}
		api, err := salesforce.New(salesforce.Config{Session: freeSession{}, APIVersion: "64.0", HTTPClient: &http.Client{Transport: org}, Attempts: 1})
		if err != nil {
			t.Fatal(err)
		}
		cfg := Config{Rows: rc, API: api, Format: schemas.Auto, Decoder: schemas.NewDecoder(nil), Conflict: Overwrite, MaxWait: time.Second, InFlight: 1}
		f := &Flow{cfg: cfg, described: newDescription(), met: newMetrics(nil, "f"), state: flow.NewState()}
		f.target.Store(tg)
		c := f.newCarrier(&fadingShare{held: held})
		var items []*item
		for _, d := range benchRecords(salesforce.MaxCollection) {
			it := &item{d: d}
			if why, err := c.mapRow(t.Context(), it); why != nil || err != nil {
				t.Fatal(why, err)
			}
			items = append(items, it)
		}
		c.sched.add(time.Now(), items)
		b, _ := c.sched.next(outlook{now: time.Now(), calls: 1})
		rep := c.call(t.Context(), b)
		if org.calls != calls || rep.lost != (calls == 0) || len(rep.again) != (1-calls)*len(items) {
			t.Errorf("held for %d questions: %d calls, lost %v, %d rows to be written still", held, org.calls, rep.lost, len(rep.again))
		}
	}
}
