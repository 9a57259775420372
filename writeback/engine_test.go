package writeback_test

import (
	"fmt"
	"testing"
	"time"

	"sfbridge/internal/flow"
	"sfbridge/orgsim"
)

func TestFlow_RowsOfSeveralPartitions_AreWrittenAndTold(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(r *rig) {
		p := r.start(r.config())
		for i := range 10 {
			r.put(int32(i%2), order{"id": fmt.Sprint("A", i), "notes": fmt.Sprint("note ", i)})
		}
		done, _ := r.settled(10, 30*time.Second)
		for at, x := range done {
			if x.Outcome != flow.Created || x.ID == "" || x.Key == "" || x.Flow != "orders" || x.Operation != "upsert" {
				t.Errorf("%s: %+v", at, x)
			}
		}
		if rows := r.rowsOf(); len(rows) != 10 || rows["A3"].Get("Notes__c") != orgsim.String("note 3") {
			t.Errorf("rows %v", rows)
		}
		p.stop()
	})
}
