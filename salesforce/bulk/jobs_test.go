package bulk_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/salesforce"
	"sfbridge/salesforce/bulk"
)

// fakeJobs makes jobs and takes their data; uploads are answered by put.
type fakeJobs struct {
	*http.ServeMux
	made, closed, aborted int
	uploads               []string
}

func newJobs(t *testing.T, put func(n int, w http.ResponseWriter, r *http.Request)) *fakeJobs {
	f := &fakeJobs{ServeMux: http.NewServeMux()}
	f.HandleFunc("POST "+jobs+"/ingest", func(w http.ResponseWriter, r *http.Request) {
		f.made++
		want := `{"object":"Account","operation":"upsert","externalIdFieldName":"ERP_Id__c","contentType":"CSV","lineEnding":"LF","columnDelimiter":"COMMA"}`
		if got := readAll(t, r.Body); got != want {
			t.Errorf("job %s, want %s", got, want)
		}
		reply(w, 200, state(bulk.Open))
	})
	f.HandleFunc("PUT "+jobs+"/ingest/"+job1+"/batches", func(w http.ResponseWriter, r *http.Request) {
		in := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			in = z
		}
		if got := r.Header.Get("Content-Type"); got != "text/csv; charset=UTF-8" {
			t.Errorf("content type %q", got)
		}
		f.uploads = append(f.uploads, readAll(t, in))
		put(len(f.uploads), w, r)
	})
	f.HandleFunc("PATCH "+jobs+"/ingest/"+job1, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(readAll(t, r.Body), "Aborted") {
			f.aborted++
			reply(w, 200, state(bulk.Aborted))
			return
		}
		f.closed++
		reply(w, 200, state(bulk.UploadComplete))
	})
	return f
}

var (
	upsert = bulk.Spec{Object: "Account", Operation: bulk.Upsert, ExternalIDField: "ERP_Id__c"}
	few    = bulk.Records([]string{"ERP_Id__c"}, []salesforce.Record{{"ERP_Id__c": "7"}})
)

func TestSubmit_UploadWhoseAnswerIsLost_GoesIntoAnotherJob(t *testing.T) {
	for name, fail := range map[string]func(http.ResponseWriter){
		"cut": func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, "edge page": func(w http.ResponseWriter) { w.WriteHeader(504) },
		"busy": func(w http.ResponseWriter) { refuse(w, 503, "SERVER_UNAVAILABLE") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newJobs(t, func(n int, w http.ResponseWriter, _ *http.Request) {
					if n == 1 {
						fail(w)
					}
					w.WriteHeader(201)
				})
				ready := 0
				job, err := serve(t, f, "64.0").Submit(t.Context(), upsert, few, func(j *bulk.Job) error {
					if ready++; j.ID != job1 || j.State != bulk.Open || f.closed != 0 {
						t.Errorf("ready with %+v, after %d were closed", j, f.closed)
					}
					return nil
				})
				if err != nil || job.State != bulk.UploadComplete || f.made != 2 || f.aborted != 1 || f.closed != 1 || ready != 1 || f.uploads[1] != "ERP_Id__c\n7\n" {
					t.Errorf("job %+v, %v; %+v", job, err, f)
				}
				if !job.Created.Equal(epoch) {
					t.Errorf("created %v", job.Created)
				}
			})
		})
	}
}

func TestSubmit_ThatCannotWork_LeavesNoJobOpen(t *testing.T) {
	bad := bulk.Records([]string{"A"}, []salesforce.Record{{"A": 1.5}})
	for name, tt := range map[string]struct {
		status int
		data   bulk.Source
		ready  error
	}{
		"refused": {400, few, nil}, "record that cannot be written": {201, bad, nil}, "id not kept": {201, few, errors.New("disk is full")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newJobs(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
					if tt.status != 201 {
						refuse(w, tt.status, "INVALIDJOBSTATE")
						return
					}
					w.WriteHeader(201)
				})
				_, err := serve(t, f, "64.0").Submit(t.Context(), upsert, tt.data, func(*bulk.Job) error { return tt.ready })
				if err == nil || f.made != 1 || f.aborted != 1 || f.closed != 0 {
					t.Errorf("error %v; %+v; want one job, aborted", err, f)
				}
			})
		})
	}
}

// slowly gives its text one byte an hour.
type slowly struct{ rest string }

func (s *slowly) Read(p []byte) (int, error) {
	if s.rest == "" {
		return 0, io.EOF
	}
	time.Sleep(time.Minute)
	n := copy(p[:1], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func TestUpload_IsStreamed_AndMayTakeLongWhileItMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := "Name\n" + strings.Repeat("x", 9<<10)
		f := newJobs(t, func(_ int, w http.ResponseWriter, r *http.Request) {
			if r.ContentLength != -1 {
				t.Errorf("length %d was known before the end", r.ContentLength)
			}
			w.WriteHeader(201)
		})
		err := serve(t, f, "64.0").Upload(t.Context(), job1, func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader(text), &slowly{"\nslow\n"})), nil
		})
		if err != nil || f.uploads[0] != text+"\nslow\n" {
			t.Errorf("error %v, %d bytes", err, len(f.uploads[0]))
		}
	})
}

func TestUpload_PackedWhereItIsTaken(t *testing.T) {
	for _, taken := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			packed := 0
			f := newJobs(t, func(_ int, w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Content-Encoding") == "gzip" {
					if packed++; !taken {
						refuse(w, 415, "UNSUPPORTED_MEDIA_TYPE")
						return
					}
				}
				w.WriteHeader(201)
			})
			c := serve(t, f, "64.0", func(cfg *bulk.Config) { cfg.Gzip = true })
			for range 2 {
				big := func() (io.ReadCloser, error) {
					return io.NopCloser(strings.NewReader("A\n" + strings.Repeat("x", 20<<10))), nil
				}
				if err := c.Upload(t.Context(), job1, big); err != nil {
					t.Error(err)
				}
			}
			if want := map[bool]int{true: 2, false: 1}[taken]; packed != want {
				t.Errorf("taken %v: %d packed, want %d", taken, packed, want)
			}
		})
	}
}

func TestClose_AnswerLost_FindsItsWorkDone(t *testing.T) {
	for now, ok := range map[bulk.State]bool{bulk.InProgress: true, bulk.JobComplete: true, bulk.Aborted: false} {
		synctest.Test(t, func(t *testing.T) {
			mux, calls := http.NewServeMux(), 0
			mux.HandleFunc("PATCH "+jobs+"/ingest/"+job1, func(w http.ResponseWriter, _ *http.Request) {
				if calls++; calls == 1 {
					panic(http.ErrAbortHandler)
				}
				refuse(w, 400, "INVALIDJOBSTATE")
			})
			mux.HandleFunc("GET "+jobs+"/ingest/"+job1, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, state(now)) })
			job, err := serve(t, mux, "64.0").Close(t.Context(), job1)
			if (err == nil) != ok || ok && job.State != now {
				t.Errorf("state %s: %+v, %v", now, job, err)
			}
		})
	}
}

func TestWait_PollsMoreSlowly_ThroughBadDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux, begun := http.NewServeMux(), time.Now()
		var at []time.Duration
		mux.HandleFunc("GET "+jobs+"/query/"+job1, func(w http.ResponseWriter, _ *http.Request) {
			at = append(at, time.Since(begun))
			switch n := len(at); {
			case n == 3:
				refuse(w, 403, "REQUEST_LIMIT_EXCEEDED")
			case time.Since(begun) > 10*time.Minute:
				done := state(bulk.JobComplete)
				done["numberRecordsProcessed"], done["totalProcessingTime"] = 4310, 1500
				reply(w, 200, done)
			default:
				reply(w, 200, state(bulk.InProgress))
			}
		})
		job, err := serve(t, mux, "64.0").Wait(t.Context(), bulk.Query, job1)
		if err != nil || job.Processed != 4310 || job.Took != 1500*time.Millisecond || job.Kind != bulk.Query {
			t.Fatalf("job %+v, %v", job, err)
		}
		last := at[len(at)-1] - at[len(at)-2]
		if at[1] != time.Second || last != 30*time.Second || len(at) > 40 {
			t.Errorf("%d polls, at %v", len(at), at)
		}
	})
}

func TestWait_JobThatFailed_IsAnError(t *testing.T) {
	for _, s := range []bulk.State{bulk.Failed, bulk.Aborted} {
		synctest.Test(t, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("GET "+jobs+"/ingest/"+job1, func(w http.ResponseWriter, _ *http.Request) {
				st := state(s)
				st["errorMessage"], st["numberRecordsFailed"] = "ClientInputError : LineEnding is invalid", 3
				reply(w, 200, st)
			})
			job, err := serve(t, mux, "64.0").Wait(t.Context(), bulk.Ingest, job1)
			e, ok := errors.AsType[*bulk.JobError](err)
			if !ok || job == nil || job.Failed != 3 || e.Job.ID != job1 || !strings.Contains(err.Error(), "LineEnding") || salesforce.Retryable(err) {
				t.Errorf("job %+v, error %v", job, err)
			}
		})
	}
}

func TestWait_EndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		mux.HandleFunc("GET "+jobs+"/ingest/"+job1, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, state(bulk.InProgress)) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := serve(t, mux, "64.0").Wait(ctx, bulk.Ingest, job1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the deadline", err)
		}
	})
}

// pages serves the pages of a query job; spoil may take over an answer.
func pages(t *testing.T, spoil func(call int, locator string, w http.ResponseWriter) bool) http.Handler {
	mux, calls := http.NewServeMux(), 0
	mux.HandleFunc("GET "+jobs+"/query/"+job1+"/results", func(w http.ResponseWriter, r *http.Request) {
		locator := r.URL.Query().Get("locator")
		if got := r.URL.Query().Get("maxRecords"); got != "3" {
			t.Errorf("maxRecords %q", got)
		}
		if calls++; spoil(calls, locator, w) {
			return
		}
		body, next := page(locator)
		w.Header().Set("Sforce-Locator", next)
		w.Header().Set("Sforce-NumberOfRecords", "3")
		_, _ = io.WriteString(w, body)
	})
	return mux
}

func page(locator string) (body, next string) {
	next = map[string]string{"": "B", "B": "C", "C": "null"}[locator]
	body = "\"Id\",\"Account.Name\"\n"
	for i := range 3 {
		body += fmt.Sprintf("\"%s%d\",\"line\r\n%d\"\n", locator, i, i)
	}
	return body, next
}

func TestRows_PageThatBreaksOff_IsReadAgain_EachRowOnce(t *testing.T) {
	for name, spoil := range map[string]func(call int, locator string, w http.ResponseWriter) bool{
		"none": func(int, string, http.ResponseWriter) bool { return false },
		"cut after two rows": func(call int, locator string, w http.ResponseWriter) bool {
			if call != 2 {
				return false
			}
			body, next := page(locator)
			w.Header().Set("Sforce-Locator", next)
			_, _ = io.WriteString(w, body[:len(body)-4])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"ended after a row": func(call int, locator string, w http.ResponseWriter) bool {
			if call == 3 {
				w.Header().Set("Sforce-Locator", "null")
				w.Header().Set("Sforce-NumberOfRecords", "3")
				_, _ = io.WriteString(w, "Id,Account.Name\nC0,\"line\r\n0\"\n")
			}
			return call == 3
		},
		"busy": func(call int, _ string, w http.ResponseWriter) bool {
			if call < 4 {
				w.WriteHeader(503)
			}
			return call < 4
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serve(t, pages(t, spoil), "64.0", func(cfg *bulk.Config) { cfg.PageRows = 3 })
				var got []string
				for row, err := range c.Rows(t.Context(), &bulk.Job{ID: job1}, "") {
					if err != nil {
						t.Fatal(err)
					}
					id, _ := row.Get("id")
					text, _ := row.Get("Account.Name")
					if text != "line\r\n"+id[len(id)-1:] || row.Page != id[:len(id)-1] {
						t.Errorf("row %+v", row)
					}
					got = append(got, id)
				}
				if want := "[0 1 2 B0 B1 B2 C0 C1 C2]"; fmt.Sprint(got) != want {
					t.Errorf("rows %v, want %s", got, want)
				}
			})
		})
	}
}

func TestRows_BeginAtAPage_AndEndWhenTheLoopDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, pages(t, func(call int, _ string, _ http.ResponseWriter) bool {
			if call > 1 {
				t.Error("a page nobody asked for")
			}
			return false
		}), "64.0", func(cfg *bulk.Config) { cfg.PageRows = 3 })
		for row, err := range c.Rows(t.Context(), &bulk.Job{ID: job1}, "B") {
			if err != nil || row.Values[0] != "B0" {
				t.Errorf("row %+v, %v", row, err)
			}
			break
		}
	})
}

func TestRows_PageThatIsAnotherWhenReadAgain_IsAnError(t *testing.T) {
	for name, second := range map[string]string{"other rows": "Id\n9\n2\n3\n", "fewer rows": "Id\n", "no header": ""} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serve(t, pages(t, func(call int, _ string, w http.ResponseWriter) bool {
					if call > 1 {
						_, _ = io.WriteString(w, second)
						return true
					}
					_, _ = io.WriteString(w, "Id\n1\n2")
					_ = http.NewResponseController(w).Flush()
					panic(http.ErrAbortHandler)
				}), "64.0", func(cfg *bulk.Config) { cfg.PageRows = 3 })
				rows, last := 0, error(nil)
				for _, err := range c.Rows(t.Context(), &bulk.Job{ID: job1}, "") {
					if last = err; err == nil {
						rows++
					}
				}
				if _, ok := errors.AsType[*bulk.CSVError](last); !ok || rows != 1 {
					t.Errorf("%d rows, then %v; want 1 and a CSVError", rows, last)
				}
			})
		})
	}
}

func TestRows_AnswerThatHangs_IsNotWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, pages(t, func(_ int, _ string, w http.ResponseWriter) bool {
			_, _ = io.WriteString(w, "Id\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Hour)
			return true
		}), "64.0", func(cfg *bulk.Config) { cfg.PageRows, cfg.Attempts = 3, 2 })
		begun, last := time.Now(), error(nil)
		for _, err := range c.Rows(t.Context(), &bulk.Job{ID: job1}, "") {
			last = err
		}
		if took := time.Since(begun); !errors.Is(last, context.DeadlineExceeded) || took > 5*time.Minute {
			t.Errorf("error %v after %v", last, took)
		}
		time.Sleep(2 * time.Hour)
	})
}

func TestRows_LoopThatTakesItsTime_LosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, pages(t, func(call int, locator string, w http.ResponseWriter) bool {
			if locator != "C" {
				return false
			}
			if call > 3 {
				t.Error("the page is read again")
			}
			w.Header().Set("Sforce-Locator", "null")
			for i := range 3 { // more than what is read ahead
				fmt.Fprintf(w, "%s\n%s\n", map[int]string{0: "Id"}[i], strings.Repeat("x", 1<<20))
			}
			return true
		}), "64.0", func(cfg *bulk.Config) { cfg.PageRows = 3 })
		rows := 0
		for _, err := range c.Rows(t.Context(), &bulk.Job{ID: job1}, "") {
			if err != nil {
				t.Fatal(err)
			}
			rows++
			time.Sleep(time.Hour)
		}
		if rows != 9 {
			t.Errorf("%d rows, want 9", rows)
		}
	})
}

func TestUpload_SessionLost_IsSentAgainWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newJobs(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 1 {
				refuse(w, 401, "INVALID_SESSION_ID")
				return
			}
			w.WriteHeader(201)
		})
		job, err := serve(t, f, "64.0").Submit(t.Context(), upsert, few, nil)
		if err != nil || job.State != bulk.UploadComplete || f.made != 1 || len(f.uploads) != 2 || f.uploads[0] != f.uploads[1] {
			t.Errorf("job %+v, %v; %+v", job, err, f)
		}
	})
}

func TestResults_ReadByTheJobsDelimiter_AndWithoutRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		mux.HandleFunc("GET "+jobs+"/ingest/"+job1+"/failedResults/", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "\"sf__Id\";\"sf__Error\";\"Name\"\r\n\"\";\"UNABLE_TO_LOCK_ROW:locked:--\";\"a;b\"\r\n")
		})
		mux.HandleFunc("GET "+jobs+"/ingest/"+job1+"/successfulResults/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
		mux.HandleFunc("GET "+jobs+"/ingest/"+job1+"/unprocessedrecords/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Name\n") })
		c, job := serve(t, mux, "64.0"), &bulk.Job{ID: job1, Delimiter: "SEMICOLON"}
		got := ""
		for _, set := range []bulk.Set{bulk.Succeeded, bulk.FailedRows, bulk.Unprocessed} {
			for row, err := range c.Results(t.Context(), job, set) {
				if err != nil {
					t.Fatal(err)
				}
				name, _ := row.Get("name")
				got += fmt.Sprint(set, " ", name, " ", row.Err.Code)
			}
		}
		if want := "failedResults a;b UNABLE_TO_LOCK_ROW"; got != want {
			t.Errorf("rows %q, want %q", got, want)
		}
	})
}

func TestResults_RowOfAnotherWidth_EndsTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		mux.HandleFunc("GET "+jobs+"/ingest/"+job1+"/successfulResults/", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "sf__Id,sf__Created,Name\n1,true,a\n2,true\n3,true,c\n")
		})
		rows, last := 0, error(nil)
		for _, err := range serve(t, mux, "64.0").Results(t.Context(), &bulk.Job{ID: job1}, bulk.Succeeded) {
			if last = err; err == nil {
				rows++
			}
		}
		if e, ok := errors.AsType[*bulk.CSVError](last); !ok || rows != 1 || e.Record != 3 || salesforce.Retryable(last) {
			t.Errorf("%d rows, then %v; want 1 and an error of record 3", rows, last)
		}
	})
}

func TestRetryAfter_IsKeptByUploadsAndResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var uploads, reads []time.Duration
		f := newJobs(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			if uploads = append(uploads, time.Since(begun)); n == 1 {
				w.Header().Set("Retry-After", "90")
				refuse(w, 503, "SERVER_UNAVAILABLE")
				return
			}
			w.WriteHeader(201)
		})
		f.HandleFunc("GET "+jobs+"/ingest/"+job1+"/successfulResults/", func(w http.ResponseWriter, _ *http.Request) {
			if reads = append(reads, time.Since(begun)); len(reads) == 1 {
				w.Header().Set("Retry-After", "40")
				w.WriteHeader(429)
				return
			}
			_, _ = io.WriteString(w, "sf__Id,sf__Created,ERP_Id__c\n001KX000001AbCdYAK,true,7\n")
		})
		c := serve(t, f, "64.0")
		job, err := c.Submit(t.Context(), upsert, few, nil)
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for _, err := range c.Results(t.Context(), job, bulk.Succeeded) {
			if err != nil {
				t.Fatal(err)
			}
			rows++
		}
		if len(uploads) != 2 || uploads[1] < 90*time.Second || f.made != 2 {
			t.Errorf("uploads at %v in %d jobs", uploads, f.made)
		}
		if rows != 1 || len(reads) != 2 || reads[1]-reads[0] < 40*time.Second {
			t.Errorf("%d rows, read at %v", rows, reads)
		}
	})
}

func TestResults_PackedAndInPieces_EachRowAsItArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := make(chan struct{})
		mux := http.NewServeMux()
		mux.HandleFunc("GET "+jobs+"/ingest/"+job1+"/successfulResults/", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "gzip" {
				t.Errorf("accepts %q", r.Header.Get("Accept-Encoding"))
			}
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for _, piece := range []string{"sf__Id,sf__Created,ERP_Id__c\n001KX000001AbCdYAK,true,\"7\n7\"\n", "001KX000001AbCeYAK,false,8\n"} {
				_, _ = io.WriteString(z, piece)
				_ = z.Flush()
				w.(http.Flusher).Flush()
				<-seen // the rest is sent once the first row was read
			}
			_ = z.Close()
		})
		got := ""
		for row, err := range serve(t, mux, "64.0").Results(t.Context(), &bulk.Job{ID: job1}, bulk.Succeeded) {
			if err != nil {
				t.Fatal(err)
			}
			if got == "" {
				close(seen)
			}
			key, _ := row.Get("ERP_Id__c")
			got += fmt.Sprint(key, row.Created, " ")
		}
		if want := "7\n7true 8false "; got != want {
			t.Errorf("rows %q, want %q", got, want)
		}
	})
}
