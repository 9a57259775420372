package bulk_test

import (
	"context"
	"fmt"
	"log"

	"sfbridge/salesforce"
	"sfbridge/salesforce/bulk"
)

// Rows go in by one job; each has its outcome, found by its key.
func ExampleClient_Submit() {
	send := func(ctx context.Context, api *salesforce.Client, recs []salesforce.Record) error {
		jobs, err := bulk.New(bulk.Config{API: api})
		if err != nil {
			return err
		}
		spec := bulk.Spec{Object: "Account", Operation: bulk.Upsert, ExternalIDField: "ERP_Id__c"}
		job, err := jobs.Submit(ctx, spec, bulk.Records(bulk.Columns(recs), recs), func(j *bulk.Job) error {
			log.Print("keep this id until the job has ended: ", j.ID)
			return nil
		})
		if err != nil {
			return err
		}
		if job, err = jobs.Wait(ctx, bulk.Ingest, job.ID); err != nil {
			return err
		}
		for row, err := range jobs.Results(ctx, job, bulk.FailedRows) {
			if err != nil {
				return err
			}
			key, _ := row.Get("ERP_Id__c")
			fmt.Println(key, row.Err.Code, row.Err.Fields)
		}
		return nil
	}
	_ = send
}
