//go:build compat

package compat_test

import (
	"slices"
	"testing"

	"sfbridge/orgsim"
)

func TestJSForce_LoadsInBulk(t *testing.T) {
	org, c := start(t)
	var got struct {
		Loaded, Created, Children, Left, All int
		Echo                                 bool
		Failed, Rows                         []string
		Job                                  struct {
			State             string
			Processed, Failed int
			APIVersion        float64
		}
		Gone, Aborted      string
		Upserts, Destroyed []bool
	}
	run(t, c, &got, "node", "clients/jsforce_bulk.cjs")

	if got.Loaded != 450 || got.Created != 450 || got.Left != 0 || !got.Echo || org.Count("Account") != 449 {
		t.Errorf("loaded %+v, the org holds %d accounts, want 450 loaded and 449 left at the end", got, org.Count("Account"))
	}
	if len(got.Failed) != 1 || got.Failed[0] != "INVALID_TYPE_ON_FIELD_IN_RECORD:AnnualRevenue: value not of required type: much:AnnualRevenue --" {
		t.Errorf("failed %q", got.Failed)
	}
	acc := org.FindByExternalID("Account", "ERP_Id__c", orgsim.String("b7"))
	if len(acc) != 1 || acc[0].Get("Name").Text() != "Bulk 7" || acc[0].Get("AnnualRevenue").String() != "7" || acc[0].Get("Description").Text() != "two\nlines, \"quoted\"" {
		t.Errorf("account b7: %v", acc)
	}
	if got.Children != 3 || !slices.Equal(got.Rows, []string{"C1 Bulk 1", "C2 Bulk 2"}) || got.All != 3 {
		t.Errorf("%d contacts, then %q, %d with the deleted one", got.Children, got.Rows, got.All)
	}
	if j := got.Job; j.State != "JobComplete" || j.Processed != 1 || j.Failed != 0 || j.APIVersion != 64 || got.Gone != "NOT_FOUND" || got.Aborted != "Aborted" {
		t.Errorf("job %+v, then %s; the other %s", j, got.Gone, got.Aborted)
	}
	if !slices.Equal(got.Upserts, []bool{false, true}) || !slices.Equal(got.Destroyed, []bool{true, true}) {
		t.Errorf("collections: created %v, destroyed %v", got.Upserts, got.Destroyed)
	}
}

func TestSimpleSalesforce_LoadsInBulkAndComposes(t *testing.T) {
	org, c := start(t)
	var got struct {
		Insert           [][]int
		Good             []any
		Error, Parent    string
		Left, All        int
		IDs              []string
		Pages, Composite []int
		Ordered          bool
	}
	run(t, c, &got, "python", "clients/simple_salesforce_bulk.py")

	if len(got.Insert) != 1 || !slices.Equal(got.Insert[0], []int{451, 1, 451}) || got.Good[0] != 450.0 || got.Good[1] != "Æ 0" || got.Error != "DUPLICATE_VALUE" || got.Left != 0 {
		t.Errorf("insert %v, good %v, error %s, %d left", got.Insert, got.Good, got.Error, got.Left)
	}
	text := func(i int, field string) string {
		if r := org.Get(got.IDs[i]); r != nil {
			return r.Get(field).Text()
		}
		return "no row"
	}
	if text(1, "Phone") != "" || text(2, "Phone") != "2" || text(3, "Name") != "updated" {
		t.Errorf("phones %q and %q, name %q, want none, 2 and updated", text(1, "Phone"), text(2, "Phone"), text(3, "Name"))
	}
	if r := org.Get(got.IDs[4]); r == nil || !r.Deleted || org.Get(got.IDs[5]) != nil {
		t.Errorf("deleted %v, hard-deleted %v", r, org.Get(got.IDs[5]))
	}
	if !slices.Equal(got.Pages, []int{200, 200, 48}) || !got.Ordered || got.All != 449 {
		t.Errorf("pages %v, in order %v, %d with the deleted one", got.Pages, got.Ordered, got.All)
	}
	if !slices.Equal(got.Composite, []int{201, 201, 200}) || got.Parent != "composite" {
		t.Errorf("composite %v, parent %q", got.Composite, got.Parent)
	}
}
