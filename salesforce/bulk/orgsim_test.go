package bulk_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"sfbridge/orgsim"
	"sfbridge/salesforce"
	"sfbridge/salesforce/bulk"
)

func orders(n int) []salesforce.Record {
	recs := make([]salesforce.Record, n)
	for i := range recs {
		recs[i] = salesforce.Record{
			"ERP_Id__c": fmt.Sprint("E-", i), "Total__c": json.Number("1234.50"), "Notes__c": fmt.Sprintf("Zoë, \"%d\"\r\n東京", i), "Paid__c": true,
		}
	}
	return recs
}

func TestSimulatedOrg_BadRowAmongMany_OneOutcomeEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org, c := simulate(t, orgsim.Config{})
		const n = 1000
		recs := orders(n)
		recs[17]["Status__c"] = "Never heard of"
		spec := bulk.Spec{Object: "Order__c", Operation: bulk.Upsert, ExternalIDField: "ERP_Id__c"}
		kept := ""
		job, err := c.Submit(t.Context(), spec, bulk.Records(bulk.Columns(recs), recs), func(j *bulk.Job) error {
			kept = j.ID
			return nil
		})
		if err != nil || job.ID != kept {
			t.Fatalf("job %+v, %v", job, err)
		}
		job, err = c.Resume(t.Context(), kept)
		if err != nil || job.Processed != n || job.Failed != 1 {
			t.Fatalf("job %+v, %v", job, err)
		}
		seen := map[string]bool{}
		for _, set := range []bulk.Set{bulk.Succeeded, bulk.FailedRows, bulk.Unprocessed} {
			for row, err := range c.Results(t.Context(), job, set) {
				if err != nil {
					t.Fatal(err)
				}
				key, _ := row.Get("ERP_Id__c")
				if seen[key] || (key == "E-17") != (row.Err != nil) || row.Err == nil && (!row.Created || row.ID == "") {
					t.Errorf("%s: %+v", set, row)
				}
				if row.Err != nil && (row.Err.Code == "" || row.Err.Class() != salesforce.ClassData) {
					t.Errorf("error %v", row.Err)
				}
				seen[key] = true
			}
		}
		if len(seen) != n {
			t.Errorf("%d outcomes, want %d", len(seen), n)
		}
		rows := org.FindByExternalID("Order__c", "ERP_Id__c", orgsim.String("E-1"))
		if len(rows) != 1 || rows[0].Get("Notes__c") != orgsim.String("Zoë, \"1\"\n東京") || rows[0].Get("Total__c") != orgsim.MustDecimal("1234.50") {
			t.Errorf("rows %v", rows)
		}
	})
}

func TestSimulatedOrg_JobFailedHalfWay_SaysWhatIsLeftToSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org, c := simulate(t, orgsim.Config{})
		if err := org.InjectBulk(orgsim.BulkFault{Kind: "fail", Count: 1}); err != nil {
			t.Fatal(err)
		}
		recs := orders(800)
		job, err := c.Submit(t.Context(), bulk.Spec{Object: "Order__c", Operation: bulk.Insert}, bulk.Records(bulk.Columns(recs), recs), nil)
		if err != nil {
			t.Fatal(err)
		}
		job, err = c.Wait(t.Context(), bulk.Ingest, job.ID)
		if _, ok := errors.AsType[*bulk.JobError](err); !ok {
			t.Fatalf("job %+v, error %v, want a JobError", job, err)
		}
		rows := map[bulk.Set]int{}
		for _, set := range []bulk.Set{bulk.Succeeded, bulk.FailedRows, bulk.Unprocessed} {
			for _, err := range c.Results(t.Context(), job, set) {
				if err != nil {
					t.Fatal(err)
				}
				rows[set]++
			}
		}
		if rows[bulk.Succeeded] != 400 || rows[bulk.Unprocessed] != 400 || rows[bulk.FailedRows] != 0 || org.Count("Order__c") != 400 {
			t.Errorf("rows %v, and %d in the org", rows, org.Count("Order__c"))
		}
		if err := c.Delete(t.Context(), bulk.Ingest, job.ID); err != nil {
			t.Error(err)
		}
		_, err = c.Resume(t.Context(), job.ID)
		if e, ok := errors.AsType[*salesforce.Error](err); !ok || e.Status != 404 {
			t.Errorf("a job that is gone: %v", err)
		}
	})
}

func TestSimulatedOrg_JobNeverClosed_IsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org, c := simulate(t, orgsim.Config{})
		job, err := c.Create(t.Context(), bulk.Spec{Object: "Order__c", Operation: bulk.Insert})
		if err != nil {
			t.Fatal(err)
		}
		recs := orders(3)
		if err := c.Upload(t.Context(), job.ID, bulk.Records(bulk.Columns(recs), recs)); err != nil {
			t.Fatal(err)
		}
		got, err := c.Resume(t.Context(), job.ID)
		if !errors.Is(err, bulk.ErrNeverClosed) || got.State != bulk.Aborted || org.Count("Order__c") != 0 {
			t.Errorf("job %+v, error %v, %d rows", got, err, org.Count("Order__c"))
		}
	})
}

func TestC58_SimulatedOrg_NumericKeysAreFoundAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org, c := simulate(t, orgsim.Config{})
		spec := bulk.Spec{Object: "Order__c", Operation: bulk.Upsert, ExternalIDField: "ERP_Id__c"}
		for round, status := range []string{"Draft", "Paid"} {
			recs := []salesforce.Record{
				{"ERP_Id__c": int64(38861788), "Status__c": status},
				{"ERP_Id__c": json.Number("9007199254740993"), "Status__c": status},
			}
			job, err := c.Submit(t.Context(), spec, bulk.Records(bulk.Columns(recs), recs), nil)
			if err == nil {
				job, err = c.Wait(t.Context(), bulk.Ingest, job.ID)
			}
			if err != nil || job.Failed != 0 {
				t.Fatalf("job %+v, %v", job, err)
			}
			for row, err := range c.Results(t.Context(), job, bulk.Succeeded) {
				if err != nil || row.Created != (round == 0) {
					t.Errorf("round %d: %+v, %v", round, row, err)
				}
			}
			for _, key := range []string{"38861788", "9007199254740993"} {
				rows := org.FindByExternalID("Order__c", "ERP_Id__c", orgsim.String(key))
				if len(rows) != 1 || rows[0].Get("Status__c") != orgsim.String(status) {
					t.Errorf("round %d, key %s: %v", round, key, rows)
				}
			}
		}
	})
}

func TestSimulatedOrg_QueryInPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := simulate(t, orgsim.Config{}, func(cfg *bulk.Config) { cfg.PageRows = 300 })
		recs := orders(1000)
		job, err := c.Submit(t.Context(), bulk.Spec{Object: "Order__c", Operation: bulk.Insert}, bulk.Records(bulk.Columns(recs), recs), nil)
		if err == nil {
			_, err = c.Wait(t.Context(), bulk.Ingest, job.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
		query, err := c.StartQuery(t.Context(), "SELECT ERP_Id__c, Notes__c, Total__c FROM Order__c", false)
		if err == nil {
			query, err = c.Wait(t.Context(), bulk.Query, query.ID)
		}
		if err != nil || query.Processed != 1000 {
			t.Fatalf("job %+v, %v", query, err)
		}
		keys, pages := map[string]bool{}, map[string]bool{}
		for row, err := range c.Rows(t.Context(), query, "") {
			if err != nil {
				t.Fatal(err)
			}
			key, _ := row.Get("ERP_Id__c")
			if notes, _ := row.Get("Notes__c"); notes != fmt.Sprintf("Zoë, \"%s\"\n東京", key[2:]) {
				t.Errorf("notes %q of %s", notes, key)
			}
			keys[key], pages[row.Page] = true, true
		}
		if len(keys) != 1000 || len(pages) != 4 {
			t.Errorf("%d rows in %d pages, want 1000 in 4", len(keys), len(pages))
		}
		if job, err := c.Abort(t.Context(), bulk.Query, query.ID); err != nil || job.State != bulk.JobComplete {
			t.Errorf("abort of what has ended: %+v, %v", job, err)
		}
	})
}
