package writeback

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/internal/expression"
	"sfbridge/internal/flow"
	"sfbridge/orgsim"
	"sfbridge/salesforce"
	"sfbridge/salesforce/bulk"
	"sfbridge/writeback/rows"
)

// inBulk runs a test with a flow and its org in a bubble.
func inBulk(t *testing.T, mapping rows.Config, fn func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { fn(t, newRig(t, orgsim.Config{}, mapping)) })
}

func TestBulk_BadRowAmongMany_OneVerdictEach(t *testing.T) {
	inBulk(t, upsertOrders, func(t *testing.T, r *rig) {
		recs := orders(1000)
		recs[17]["Email__c"] = "nobody"
		out := r.send(r.batch(recs...))
		r.wantTally(out, map[string]int{flow.Created: 999, flow.BadValue: 1})
		if v := out[17]; v.err == nil || v.err.cause == nil || v.err.cause.Code != "INVALID_EMAIL_ADDRESS" || v.job == "" {
			t.Errorf("the bad row: %+v", v)
		}
		for i, v := range out {
			if v.err == nil && v.id != r.row("ERP_Id__c", orgsim.String(fmt.Sprint("E-", i))).ID {
				t.Fatalf("row %d has the id of another", i)
			}
		}
		if len(r.notes.began) != 1 || len(r.notes.open) != 0 {
			t.Errorf("notes %+v", r.notes)
		}
		out = r.send(r.batch(orders(3)...))
		r.wantTally(out, map[string]int{flow.Updated: 3})
		if n := r.calls("GET", "/unprocessedrecords"); n != 0 {
			t.Errorf("%d calls for what must be empty", n)
		}
		if n := r.calls("GET", "/failedResults"); n != 1 {
			t.Errorf("failed rows were asked for %d times, one job had some", n)
		}
	})
}

func TestC14_Bulk_LineBreaksInValues_ResultsBelongToTheirRows(t *testing.T) {
	inBulk(t, upsertOrders, func(t *testing.T, r *rig) {
		recs := orders(500)
		for i, rec := range recs {
			rec["Notes__c"] = fmt.Sprintf("one\r\ntwo, \"three\"\n\nE-%d,", i)
		}
		recs[3]["ERP_Id__c"] = "E \"3\",\nand more"
		recs[4]["Email__c"] = "no,\n\"address\""
		out := r.send(r.batch(recs...))
		r.wantTally(out, map[string]int{flow.Created: 499, flow.BadValue: 1})
		if out[4].err == nil {
			t.Error("the failure is another row's")
		}
		if out[3].id != r.row("ERP_Id__c", orgsim.String("E \"3\",\nand more")).ID {
			t.Error("the row whose key has a line break")
		}
		if got := r.row("ERP_Id__c", orgsim.String("E-5")).Get("Notes__c"); got != orgsim.String("one\ntwo, \"three\"\n\nE-5,") {
			t.Errorf("notes %q", got)
		}
	})
}

// uploaded is a batch as it is uploaded.
func uploaded(t *testing.T, u *upload) string {
	t.Helper()
	body, err := u.open()
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestC16_Upload_HasNoMarkInFront(t *testing.T) {
	inBulk(t, upsertOrders, func(t *testing.T, r *rig) {
		b := r.batch(map[string]any{"ERP_Id__c": "\ufeffE-1", "Notes__c": "\ufeff"})
		if got, want := uploaded(t, newUpload(b)), "ERP_Id__c,Notes__c\n\ufeffE-1,\ufeff\n"; got != want {
			t.Errorf("upload %q, want %q", got, want)
		}
		r.wantTally(r.send(b), map[string]int{flow.Created: 1}) // in a value, it is a character like others
		r.row("ERP_Id__c", orgsim.String("\ufeffE-1"))
	})
}

func TestC53_Upload_CommasDotsAndLF_WhateverTheLocale(t *testing.T) {
	t.Setenv("LANG", "es_ES.UTF-8")
	t.Setenv("LC_ALL", "nl_NL.UTF-8")
	inBulk(t, upsertOrders, func(t *testing.T, r *rig) {
		b := r.batch(
			map[string]any{"ERP_Id__c": "E-1", "Total__c": json.Number("1234.5"), "Notes__c": "3,975"},
			map[string]any{"ERP_Id__c": "E-2", "Total__c": json.Number("-0.07"), "Notes__c": "a;b"},
			map[string]any{"ERP_Id__c": "E-3", "Total__c": nil, "Notes__c": ""},
		)
		want := "ERP_Id__c,Notes__c,Total__c\nE-1,\"3,975\",1234.5\nE-2,a;b,-0.07\nE-3,#N/A,#N/A\n"
		if got := uploaded(t, newUpload(b)); got != want {
			t.Errorf("upload %q, want %q", got, want)
		}
		r.send(b)
		if got := r.row("ERP_Id__c", orgsim.String("E-1")).Get("Total__c"); got != orgsim.MustDecimal("1234.50") {
			t.Errorf("total %v", got)
		}
		if _, err := r.target.mapper.Row(&expression.Input{Value: map[string]any{"ERP_Id__c": "E-4", "Total__c": "1.234,56"}}); err == nil {
			t.Error("a number of another locale was guessed at")
		}
	})
}

func TestC17_Bulk_TextOfAllKindsArrives(t *testing.T) {
	inBulk(t, upsertOrders, func(t *testing.T, r *rig) {
		const text = "Zoë 東京 👩‍👩‍👧 ✓ \u00a0 “quoted”"
		out := r.send(r.batch(map[string]any{"ERP_Id__c": "Zoë 東京", "Notes__c": text}))
		r.wantTally(out, map[string]int{flow.Created: 1})
		if got := r.row("ERP_Id__c", orgsim.String("Zoë 東京")).Get("Notes__c"); got != orgsim.String(text) {
			t.Errorf("notes %q", got)
		}
	})
}

func TestC58_Bulk_NumericKeysChangeTheirRows(t *testing.T) {
	objects := orgsim.BuiltinObjects()
	for i := range objects {
		if objects[i].Name == "Order__c" {
			objects[i].Fields = append(objects[i].Fields, &orgsim.FieldDef{Name: "No__c", Type: orgsim.TypeDouble, Precision: 18, ExternalID: true, Unique: true})
		}
	}
	for _, field := range []string{"No__c", "ERP_Id__c"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, orgsim.Config{Objects: objects}, rows.Config{Object: "Order__c", ExternalID: field, Operation: rows.Upsert})
			for round, status := range []string{"Draft", "Paid"} {
				out := r.send(r.batch(
					map[string]any{field: json.Number("38861788"), "Status__c": status},
					map[string]any{field: json.Number("9007199254740993"), "Status__c": status},
				))
				for i, key := range []string{"38861788", "9007199254740993"} {
					v := orgsim.MustDecimal(key)
					if field == "ERP_Id__c" {
						v = orgsim.String(key)
					}
					row := r.row(field, v)
					if row.Get("Status__c") != orgsim.String(status) || out[i].id != row.ID || (out[i].done == flow.Created) != (round == 0) {
						t.Errorf("%s, round %d, key %s: %+v", field, round, key, out[i])
					}
				}
			}
		})
	}
}

func TestBulk_DeletesAndUpdatesGoByTheIdsThatWereLookedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, orgsim.Config{}, upsertOrders)
		r.send(r.batch(orders(300)...))
		for _, op := range []rows.Operation{rows.Update, rows.Delete} {
			mapper, err := rows.New(as(op), r.target.object)
			if err != nil {
				t.Fatal(err)
			}
			r.target = &target{mapper: mapper, object: r.target.object}
			recs := orders(301)
			for i := range recs {
				recs[i]["Status__c"] = "Paid"
			}
			b := r.batch(recs...)
			skip, err := r.f.resolve(t.Context(), b)
			if err != nil || len(skip) != 1 {
				t.Fatalf("%s: %v, %v", op, skip, err)
			}
			want := flow.Updated
			if op == rows.Delete {
				want = flow.Deleted
				if skip[300].done != flow.Deleted {
					t.Errorf("the row that is not there: %+v", skip[300])
				}
			} else if skip[300].err.reason != flow.NotFound {
				t.Errorf("the row that is not there: %+v", skip[300])
			}
			b.items = b.items[:300]
			r.wantTally(r.send(b), map[string]int{want: 300})
			if op == rows.Update {
				if got := r.row("ERP_Id__c", orgsim.String("E-7")).Get("Status__c"); got != orgsim.String("Paid") {
					t.Errorf("status %v", got)
				}
				continue
			}
			if n := r.org.Count("Order__c"); n != 0 {
				t.Errorf("%d rows are left", n)
			}
			// What is deleted already is done.
			r.wantTally(r.send(b), map[string]int{flow.Deleted: 300})
		}
	})
}

func TestBulk_RowsToldByRecordIDs(t *testing.T) {
	for _, op := range []rows.Operation{rows.Update, rows.Upsert, rows.Delete} {
		inBulk(t, rows.Config{Object: "Order__c", Operation: op}, func(t *testing.T, r *rig) {
			var recs []map[string]any
			for _, id := range r.insert("Order__c", make([]map[string]orgsim.Value, 250)...) {
				recs = append(recs, map[string]any{"Id": id[:15], "Status__c": "Paid"})
			}
			recs[9]["Id"] = "a01000000000001AAA"
			b := r.batch(recs...)
			out := r.send(b)
			want := map[string]int{flow.Updated: 249, out[9].err.reason: 1}
			if op == rows.Delete {
				want = map[string]int{flow.Deleted: 249, out[9].err.reason: 1}
			}
			r.wantTally(out, want)
			if out[9].err.cause == nil || out[9].err.class != salesforce.ClassData {
				t.Errorf("%s: the row that is not there: %+v", op, out[9].err)
			}
			if op != rows.Delete && r.org.Get(out[200].id).Get("Status__c") != orgsim.String("Paid") {
				t.Errorf("%s: row %s has not changed", op, out[200].id)
			}
		})
	}
}

func TestBulk_NotNoted_DoesNotBegin(t *testing.T) {
	inBulk(t, upsertOrders, func(t *testing.T, r *rig) {
		r.notes.fail = errors.New("the share is over")
		_, err := r.f.sendBulk(t.Context(), r.batch(orders(3)...), r.notes)
		if call, ok := errors.AsType[*callError](err); !ok || call.class == salesforce.ClassData || !r.f.bulkTakes(r.batch(orders(1)...).items[0].row) {
			t.Errorf("%+v", err)
		}
		time.Sleep(time.Hour)
		if n := r.org.Count("Order__c"); n != 0 {
			t.Errorf("%d rows", n)
		}
	})
}

func TestBulk_MoreThanAJobTakes_LeavesTheRestForTheNext(t *testing.T) {
	inBulk(t, upsertOrders, func(t *testing.T, r *rig) {
		u := newUpload(r.batch(orders(100)...))
		u.limit = 500
		text := uploaded(t, u)
		n := strings.Count(text, "\n") - 1
		if len(text) > 500 || n < 20 || u.written() != n {
			t.Errorf("%d bytes, %d rows, %d written", len(text), n, u.written())
		}
		for i, v := range u.verdicts() {
			if left := v.err != nil && v.err.free && v.err.class == salesforce.ClassTransient; left != (i >= n) {
				t.Errorf("row %d of %d: %+v", i, n, v)
			}
		}
		if again := uploaded(t, u); again != text {
			t.Error("the second reading is another")
		}
	})
}

func TestBulk_RowsThatCSVCannotSay(t *testing.T) {
	inBulk(t, upsertOrders, func(t *testing.T, r *rig) {
		recs := orders(3)
		recs[1]["Notes__c"] = csvNull
		b := r.batch(recs...)
		if r.f.bulkTakes(b.items[1].row) || !r.f.bulkTakes(b.items[0].row) {
			t.Error("the engine is not told")
		}
		r.wantTally(r.send(b), map[string]int{flow.Created: 2, flow.BadValue: 1})
		b.items = b.items[1:2]
		r.wantTally(r.send(b), map[string]int{flow.BadValue: 1})
		if n := r.org.Count("Order__c"); n != 2 {
			t.Errorf("%d rows", n)
		}
	})
}

// csvNull is what a job takes for null.
const csvNull = "#N/A"

func TestBulk_AssignmentRules_AsCallsHaveThem(t *testing.T) {
	lead := &target{object: &salesforce.Object{Name: "Lead"}}
	for _, tc := range []struct {
		object, auto string
		op           rows.Operation
		id           string
		ok           bool
	}{
		{"Lead", "", rows.Insert, "", false},
		{"Lead", "TRUE", rows.Upsert, "", false},
		{"Case", "true", rows.Update, "", false},
		{"Case", "FALSE", rows.Upsert, "", true},
		{"Case", "01Qxx0000004C92AAE", rows.Upsert, "01Qxx0000004C92AAE", true},
		{"Lead", "", rows.Delete, "", true},
		{"Account", "", rows.Upsert, "", true},
		{"Order__c", "01Qxx0000004C92AAE", rows.Upsert, "", true},
	} {
		api, err := salesforce.New(salesforce.Config{Session: &rigSession{}, APIVersion: "64.0"})
		if err != nil {
			t.Fatal(err)
		}
		lead.object.Name = tc.object
		f := &Flow{cfg: Config{API: api.With(salesforce.Options{AutoAssign: tc.auto})}}
		if id, ok := f.assignmentRule(lead, tc.op); id != tc.id || ok != tc.ok {
			t.Errorf("%s of %s with %q: %q, %v", tc.op, tc.object, tc.auto, id, ok)
		}
	}
}

func TestBulk_RulesThatOnlyAlert_ArePassedOverByCalls(t *testing.T) {
	for _, allow := range []bool{true, false} {
		inBulk(t, upsertOrders, func(t *testing.T, r *rig) {
			r.f.cfg.API = r.f.cfg.API.With(salesforce.Options{AllowDuplicates: allow})
			if err := r.org.SetRules(orgsim.Rules{Duplicates: []orgsim.DuplicateRule{{Object: "Order__c", Fields: []string{"Email__c"}}}}); err != nil {
				t.Fatal(err)
			}
			recs := orders(3)
			recs[1]["Email__c"], recs[2]["Email__c"] = "a@acme.example", "a@acme.example"
			b := r.batch(recs...)
			out := r.send(b)
			if n := tally(out); n[flow.Created] != 2 || (n["free"] == 1) != allow || (n[flow.DuplicateRule] == 1) == allow {
				t.Errorf("allowed %v: %v", allow, n)
			}
			if it := b.items[2]; (it.limit == salesforce.MaxCollection) != allow {
				t.Errorf("allowed %v: the row goes by job again", allow)
			}
		})
	}
}

func TestBulk_TakesWhatCanBeLookedUp(t *testing.T) {
	inBulk(t, upsertOrders, func(t *testing.T, r *rig) {
		for _, tc := range []struct {
			row  rows.Row
			want bool
		}{
			{rows.Row{Op: rows.Insert}, false},
			{rows.Row{Op: rows.Insert, Key: "E-1"}, true},
			{rows.Row{Op: rows.Upsert, Key: "E-1"}, true},
			{rows.Row{Op: rows.Update, Key: "E-1"}, true},
			{rows.Row{Op: rows.Delete, Key: "E-1"}, true},
			{rows.Row{Op: rows.Undelete, Key: "E-1"}, false},
			{rows.Row{Op: rows.Upsert, Key: csvNull}, false},
			{rows.Row{Op: rows.Upsert, Key: "E-1", Values: []rows.Value{{Kind: rows.Null}}}, true},
			{rows.Row{Op: rows.Upsert, Key: "E-1", Values: []rows.Value{{Kind: rows.Text, Text: csvNull}}}, false},
		} {
			if got := r.f.bulkTakes(&tc.row); got != tc.want {
				t.Errorf("%+v: %v", tc.row, got)
			}
		}
	})
}

func TestHarvest_WhateverTheOrgTells_OneVerdictEach(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 38))
		b := benchBatch(t, 20)
		b.op = []rows.Operation{rows.Upsert, rows.Insert}[seed%2]
		api, err := salesforce.New(salesforce.Config{Session: &rigSession{}, APIVersion: "64.0"})
		if err != nil {
			t.Fatal(err)
		}
		run := &jobRun{f: &Flow{cfg: Config{API: api}}, b: b, up: newUpload(b)}
		uploaded(t, run.up)
		h := &harvest{jobRun: run, job: &bulk.Job{ID: "750", Processed: rnd.IntN(25)}, out: run.up.verdicts(), index: run.index()}
		first := map[string]bulk.Set{}
		for range rnd.IntN(40) {
			set := []bulk.Set{bulk.Succeeded, bulk.FailedRows, bulk.Unprocessed}[rnd.IntN(3)]
			row := &bulk.Row{ID: "001", Columns: []string{"sf__Id", "erp_id__c"}, Values: []string{"001", fmt.Sprint("E-", rnd.IntN(25))}}
			switch rnd.IntN(10) {
			case 0:
				row.Columns, row.Values = row.Columns[:1], row.Values[:1]
			case 1:
				row.Values[1] = ""
			}
			if set == bulk.FailedRows {
				row.Err = bulk.ParseRowError("job", "STRING_TOO_LONG:too long:Name --")
			}
			if len(row.Values) > 1 && first[row.Values[1]] == "" {
				first[row.Values[1]] = set
			}
			h.take(row, set)
		}
		whole := rnd.IntN(2) == 0
		h.rest(whole)
		for i, v := range h.out {
			set := first[b.items[i].row.Key]
			switch {
			case (v.done == "") == (v.err == nil):
				t.Fatalf("seed %d, row %d: %+v", seed, i, v)
			case (set == bulk.Succeeded) != (v.done != ""):
				t.Fatalf("seed %d, row %d: told in %s, %+v", seed, i, set, v)
			case set == bulk.FailedRows && v.err.reason != flow.BadValue, set == bulk.Unprocessed && !v.err.free:
				t.Fatalf("seed %d, row %d: told in %s, %+v", seed, i, set, v.err)
			case set == "" && b.items[i].unknown != (b.op == rows.Insert), set == "" && v.err.free && b.op == rows.Insert:
				t.Fatalf("seed %d, row %d: told nowhere, %+v", seed, i, v.err)
			}
		}
	}
}
