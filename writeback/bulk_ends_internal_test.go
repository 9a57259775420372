package writeback

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"sfbridge/internal/flow"
	"sfbridge/orgsim"
	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

func TestBulk_AbortedByAnAdministrator_DoneIsDone_TheRestIsFree(t *testing.T) {
	inBulk(t, upsertOrders, func(t *testing.T, r *rig) {
		if err := r.org.InjectBulk(orgsim.BulkFault{Kind: "abort", Count: 1}); err != nil {
			t.Fatal(err)
		}
		out := r.send(r.batch(orders(800)...))
		r.wantTally(out, map[string]int{flow.Created: 400, "free": 400})
		if len(r.notes.open) != 0 || !r.f.bulkTakes(r.batch(orders(1)...).items[0].row) {
			t.Error("the job is noted still, or jobs are out of use")
		}
	})
}

func TestBulk_FailedAfterHalfItsRows_InsertsOnlyWhatIsToldToBeUndone(t *testing.T) {
	inBulk(t, as(rows.Insert), func(t *testing.T, r *rig) {
		if err := r.org.InjectBulk(orgsim.BulkFault{Kind: "fail", Count: 1}); err != nil {
			t.Fatal(err)
		}
		b := r.batch(orders(800)...)
		out := r.send(b)
		r.wantTally(out, map[string]int{flow.Created: 400, "free": 400})
		for i, v := range out {
			if v.err != nil && (b.items[i].unknown || !strings.Contains(v.err.text, "retried more than 20 times")) {
				t.Fatalf("row %d: %+v", i, v.err)
			}
		}
		if n := r.calls("GET", "/unprocessedrecords"); n != 1 {
			t.Errorf("%d looks at what was left undone", n)
		}
	})
}

func TestBulk_TwoJobsComeToNothingAlike_JobsRest(t *testing.T) {
	for kind, reason := range map[string]string{"fail": "Field name not found", "abort": "before the row's turn"} {
		inBulk(t, upsertOrders, func(t *testing.T, r *rig) {
			if err := r.org.InjectBulk(orgsim.BulkFault{Kind: kind, Rows: -1, Count: 2, Text: "InvalidBatch : Field name not found : Old__c"}); err != nil {
				t.Fatal(err)
			}
			b := r.batch(orders(10)...)
			for round := range 2 {
				if !r.f.bulkTakes(b.items[0].row) {
					t.Fatalf("%s: no job in round %d", kind, round)
				}
				out := r.send(b)
				r.wantTally(out, map[string]int{"free": 10})
				if !strings.Contains(out[0].err.text, reason) {
					t.Errorf("%s: reason %q", kind, out[0].err.text)
				}
			}
			if r.f.bulkTakes(b.items[0].row) {
				t.Errorf("%s: a third job", kind)
			}
			time.Sleep(jobRest)
			if !r.f.bulkTakes(b.items[0].row) {
				t.Errorf("%s: jobs do not come back", kind)
			}
		})
	}
}

func TestBulk_TheOrgTakesNoSuchJob_RowsAreNotToBlame(t *testing.T) {
	inBulk(t, upsertOrders, func(t *testing.T, r *rig) {
		r.org.InjectHTTP(orgsim.HTTPFault{Method: "POST", Path: "/jobs/ingest", Status: 400, Code: "INVALIDENTITY", Text: "Entity 'Order__c' is not supported by the Bulk API."})
		b := r.batch(orders(10)...)
		_, err := r.f.sendBulk(t.Context(), b, r.notes)
		call, ok := errors.AsType[*callError](err)
		if !ok || call.class != salesforce.ClassTransient || call.unknown || r.f.bulkTakes(b.items[0].row) {
			t.Errorf("%+v, and jobs in use: %v", err, r.f.bulkTakes(b.items[0].row))
		}
	})
}

func TestBulk_SessionLostInAJob_GoesOn(t *testing.T) {
	inBulk(t, upsertOrders, func(t *testing.T, r *rig) {
		if err := r.org.InjectBulk(orgsim.BulkFault{Kind: "slow", Delay: 20 * time.Second}); err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			for range 5 {
				time.Sleep(7 * time.Second)
				r.org.ExpireTokens()
			}
		}()
		r.wantTally(r.send(r.batch(orders(600)...)), map[string]int{flow.Created: 600})
		<-stop
	})
}

func TestBulk_ResultsThatTakeMinutes_AreWaitedForAndShown(t *testing.T) {
	inBulk(t, upsertOrders, func(t *testing.T, r *rig) {
		if err := r.org.InjectBulk(orgsim.BulkFault{Kind: "slow", Delay: 30 * time.Minute}); err != nil {
			t.Fatal(err)
		}
		start, done := time.Now(), make(chan []verdict)
		go func() { done <- r.send(r.batch(orders(400)...)) }()
		time.Sleep(10 * time.Minute)
		waits := r.f.jobs.list()
		if len(waits) != 1 || waits[0].rows != 400 || waits[0].since.Sub(start) > time.Minute || !strings.HasPrefix(waits[0].String(), "waiting for bulk job 750") {
			t.Errorf("waiting for %v", waits)
		}
		// The org is away for a while, which the job does not mind.
		r.org.InjectHTTP(orgsim.HTTPFault{Method: "GET", Path: "/jobs/ingest/", Status: 503, Count: 20})
		r.wantTally(<-done, map[string]int{flow.Created: 400})
		if took := time.Since(start); took < 30*time.Minute || len(r.f.jobs.list()) != 0 {
			t.Errorf("took %v, then waiting for %v", took, r.f.jobs.list())
		}
	})
}

func TestBulk_NoTimeLeft_AbortsAndKeepsWhatWasDone(t *testing.T) {
	inBulk(t, upsertOrders, func(t *testing.T, r *rig) {
		if err := r.org.InjectBulk(orgsim.BulkFault{Kind: "slow", Delay: time.Minute}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(150*time.Second, cancel)
		start := time.Now()
		out, err := r.f.sendBulk(ctx, r.batch(orders(1000)...), r.notes)
		if err != nil {
			t.Fatal(err)
		}
		n := tally(out)
		if n[flow.Created] == 0 || n["free"] == 0 || n[flow.Created]+n["free"] != 1000 || r.org.Count("Order__c") != n[flow.Created] {
			t.Errorf("verdicts %v, %d rows in the org", n, r.org.Count("Order__c"))
		}
		if took := time.Since(start); took > 150*time.Second+jobFarewell || len(r.notes.open) != 0 {
			t.Errorf("took %v, notes %v", took, r.notes.open)
		}
		time.Sleep(time.Hour)
		if r.org.Count("Order__c") != n[flow.Created] {
			t.Error("the job went on")
		}
	})
}

func TestBulk_NoTimeLeftAndNoOrg_TheNoteStaysForWhoeverComesNext(t *testing.T) {
	inBulk(t, upsertOrders, func(t *testing.T, r *rig) {
		if err := r.org.InjectBulk(orgsim.BulkFault{Kind: "slow", Delay: time.Minute, Count: 1}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(90*time.Second, func() {
			r.org.InjectHTTP(orgsim.HTTPFault{Path: "/jobs/", Cut: true})
			cancel()
		})
		start := time.Now()
		_, err := r.f.sendBulk(ctx, r.batch(orders(1000)...), r.notes)
		if call, ok := errors.AsType[*callError](err); !ok || call.class != salesforce.ClassTransient || len(r.notes.open) != 1 {
			t.Fatalf("%v, notes %v", err, r.notes.open)
		}
		if took := time.Since(start); took > 90*time.Second+jobFarewell+time.Second {
			t.Errorf("took %v", took)
		}
		time.AfterFunc(20*time.Second, r.org.ClearHTTP)
		if err := r.f.endJobs(t.Context(), append(r.notes.open, "750KX0000000404YAA")); err != nil {
			t.Fatal(err)
		}
		n := r.org.Count("Order__c")
		time.Sleep(time.Hour)
		if n == 1000 || n != r.org.Count("Order__c") {
			t.Errorf("%d rows when the job was said to have ended, %d later", n, r.org.Count("Order__c"))
		}
	})
}

func TestBulk_AnswersLostOnTheWay_OneJobRuns(t *testing.T) {
	for name, fault := range map[string]orgsim.HTTPFault{
		"create":          {Method: "POST", Path: "/jobs/ingest", CutAfter: true, Count: 1},
		"upload":          {Method: "PUT", Path: "/batches", CutAfter: true, Count: 2},
		"upload, half":    {Method: "PUT", Path: "/batches", Cut: true, Count: 1},
		"close":           {Method: "PATCH", Path: "/jobs/ingest", CutAfter: true, Count: 1},
		"close, not done": {Method: "PATCH", Path: "/jobs/ingest", Cut: true, Count: 1},
		"close, busy":     {Method: "PATCH", Path: "/jobs/ingest", Status: 503, Count: 3},
		"state":           {Method: "GET", Path: "/jobs/ingest", Status: 500, Count: 3},
		"state, a page":   {Method: "GET", Path: "/jobs/ingest", Status: 502, HTML: true, Count: 3},
		"successes":       {Method: "GET", Path: "/successfulResults", CutAfter: true, Count: 9},
		"failures":        {Method: "GET", Path: "/failedResults", Status: 503, Count: 9},
	} {
		t.Run(name, func(t *testing.T) {
			inBulk(t, as(rows.Insert), func(t *testing.T, r *rig) {
				r.org.InjectHTTP(fault)
				recs := orders(300)
				recs[9]["Email__c"] = "nobody"
				var out []verdict
				for range 5 { // the engine makes failed calls again
					var err error
					if out, err = r.f.sendBulk(t.Context(), r.batch(recs...), r.notes); err == nil {
						break
					}
					if call, ok := errors.AsType[*callError](err); !ok || call.unknown || call.class != salesforce.ClassTransient {
						t.Fatalf("%+v", err)
					}
				}
				r.wantTally(out, map[string]int{flow.Created: 299, flow.BadValue: 1})
				if n := r.org.Count("Order__c"); n != 299 || len(r.notes.open) != 0 {
					t.Errorf("%d rows, notes %v", n, r.notes.open)
				}
			})
		})
	}
}

func TestBulk_JobIsGone_InsertsAreInDoubtAndTheRestIsNot(t *testing.T) {
	for op, unknown := range map[rows.Operation]bool{rows.Insert: true, rows.Upsert: false} {
		inBulk(t, as(op), func(t *testing.T, r *rig) {
			r.org.InjectHTTP(orgsim.HTTPFault{Method: "GET", Path: "/jobs/ingest/", Status: http.StatusNotFound, Code: "NOT_FOUND"})
			_, err := r.f.sendBulk(t.Context(), r.batch(orders(3)...), r.notes)
			if call, ok := errors.AsType[*callError](err); !ok || call.unknown != unknown || call.class != salesforce.ClassTransient || len(r.notes.open) != 0 {
				t.Errorf("%s: %+v", op, err)
			}
		})
	}
}

func TestBulk_ResultsThatTellNothing_AreNotTakenForDone(t *testing.T) {
	for _, op := range []rows.Operation{rows.Insert, rows.Upsert} {
		inBulk(t, as(op), func(t *testing.T, r *rig) {
			r.org.InjectHTTP(orgsim.HTTPFault{Method: "GET", Path: "Results", Status: http.StatusNotFound, Code: "NOT_FOUND"})
			b := r.batch(orders(3)...)
			r.wantTally(r.send(b), map[string]int{"again": 3})
			if b.items[1].unknown != (op == rows.Insert) {
				t.Errorf("%s: in doubt is %v", op, b.items[1].unknown)
			}
		})
	}
}
