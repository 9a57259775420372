package orgsim

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// BulkConfig sets pace and limits of Bulk API 2.0.
type BulkConfig struct {
	// StartDelay is how long a job waits before it is worked on, and BatchTime
	// how long each transaction of 200 rows takes. 0 = 300ms and 5ms;
	// negative = no time at all.
	StartDelay time.Duration
	BatchTime  time.Duration

	MaxUpload    int           // bytes of one job's data; 0 = 112,500,000, which are 150 MB in base64
	MaxStored    int           // bytes of all jobs kept; finished jobs go, the oldest first; 0 = 512 MiB
	MaxJobs      int           // kept; 0 = 1000
	Retention    time.Duration // of finished jobs; 0 = 7 days
	DailyBatches int           // of 10,000 rows, in 24 h; 0 = 15000
	DailyQueries int           // query jobs in 24 h; 0 = 10000
	NoHardDelete bool          // the user lacks the permission for hardDelete
}

func (c BulkConfig) withDefaults() BulkConfig {
	for _, d := range []struct {
		at  *time.Duration
		def time.Duration
	}{{&c.StartDelay, 300 * time.Millisecond}, {&c.BatchTime, 5 * time.Millisecond}, {&c.Retention, 7 * 24 * time.Hour}} {
		if *d.at == 0 {
			*d.at = d.def
		}
	}
	for _, d := range []struct {
		at  *int
		def int
	}{{&c.MaxUpload, 112_500_000}, {&c.MaxStored, 512 << 20}, {&c.MaxJobs, 1000}, {&c.DailyBatches, 15_000}, {&c.DailyQueries, 10_000}} {
		if *d.at <= 0 {
			*d.at = d.def
		}
	}
	return c
}

// bulk keeps the jobs of Bulk API 2.0. A job has no goroutine: each of its
// steps is a timer that sets the next one.
type bulk struct {
	org *Org
	cfg BulkConfig

	mu      sync.Mutex // guards all below, and what bulkJob says
	jobs    map[string]*bulkJob
	made    uint64
	batches rolling
	queries rolling
	faults  []*BulkFault
	closed  bool
}

func newBulk(o *Org, cfg BulkConfig) *bulk {
	day := rolling{width: 10 * time.Minute, slots: 144}
	return &bulk{org: o, cfg: cfg.withDefaults(), jobs: map[string]*bulkJob{}, batches: day, queries: day}
}

// close stops every job where it is.
func (b *bulk) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, j := range b.jobs {
		j.stop()
	}
}

// batchesLeft is what remains of the day's allocation of ingest batches.
func (b *bulk) batchesLeft() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(0, b.cfg.DailyBatches-int(b.batches.sum(time.Now())))
}

// queriesLeft is what remains of the day's allocation of query jobs.
func (b *bulk) queriesLeft() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(0, b.cfg.DailyQueries-int(b.queries.sum(time.Now())))
}

// jobsCall routes what stands below /jobs.
func (c *call) jobsCall(path []string) error {
	if len(path) == 0 || path[0] != "ingest" && path[0] != "query" {
		return errNotFound()
	}
	kind := path[0]
	if len(path) == 1 {
		if err := c.allow(http.MethodGet, http.MethodPost); err != nil {
			return err
		}
		switch {
		case c.method != http.MethodPost:
			return c.listJobs(kind)
		case kind == "query":
			return c.createQueryJob()
		}
		return c.createIngestJob()
	}
	j, err := c.job(kind, path[1])
	switch {
	case err != nil:
		return err
	case len(path) == 2:
		return c.jobCall(j)
	case len(path) == 3 && kind == "ingest":
		return c.ingestCall(j, strings.ToLower(path[2]))
	case len(path) == 3:
		return c.queryJobCall(j, strings.ToLower(path[2]))
	}
	return errNotFound()
}

// job finds a job by its id of 15 or 18 characters.
func (c *call) job(kind, id string) (*bulkJob, error) {
	full, err := ID18(id)
	if err != nil {
		return nil, errNotFound()
	}
	b := c.rest.bulk
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire()
	j := b.jobs[full]
	if j == nil || j.kind != kind {
		return nil, errNotFound()
	}
	return j, nil
}

// expire forgets jobs whose time is over. The caller holds mu.
func (b *bulk) expire() {
	now := time.Now()
	for id, j := range b.jobs {
		unclosed := j.state == jobOpen && now.Sub(j.created) >= 24*time.Hour
		if unclosed || j.finished() && now.Sub(j.changed) >= b.cfg.Retention {
			delete(b.jobs, id)
		}
	}
}

// makeRoom forgets finished jobs, the oldest first, until there is room for
// one job more with so many bytes. The caller holds mu.
func (b *bulk) makeRoom(newJobs, bytes int) error {
	b.expire()
	for {
		stored := bytes
		var oldest *bulkJob
		for _, j := range b.jobs {
			stored += j.size()
			if j.finished() && (oldest == nil || j.number < oldest.number) {
				oldest = j
			}
		}
		if stored <= b.cfg.MaxStored && len(b.jobs)+newJobs <= b.cfg.MaxJobs {
			return nil
		}
		if oldest == nil {
			return badRequest("EXCEEDEDQUOTA", "ExceededQuota : Too many unfinished jobs are stored.")
		}
		delete(b.jobs, oldest.id)
	}
}

// add gives a job its id and keeps it. The caller holds mu.
func (b *bulk) add(j *bulkJob) error {
	if err := b.makeRoom(1, len(j.data)); err != nil {
		return err
	}
	b.made++
	j.number, j.id = b.made, makeID("750", b.org.cfg.IDInfix, b.made)
	j.created = time.Now()
	j.changed = j.created
	b.jobs[j.id] = j
	return nil
}

// listJobs lists the jobs of all users, in any order.
func (c *call) listJobs(kind string) error {
	b := c.rest.bulk
	b.mu.Lock()
	b.expire()
	records := []jobInfo{}
	for _, j := range b.jobs {
		if j.kind == kind {
			records = append(records, j.info(false))
		}
	}
	b.mu.Unlock()
	return c.json(http.StatusOK, map[string]any{"done": true, "records": records, "nextRecordsUrl": nil})
}

// jobCall is a job itself: its state, an order to close or abort it, its end.
func (c *call) jobCall(j *bulkJob) error {
	if err := c.allow(http.MethodDelete, http.MethodGet, http.MethodPatch); err != nil {
		return err
	}
	switch c.method {
	case http.MethodPatch:
		return c.changeJob(j)
	case http.MethodDelete:
		return c.deleteJob(j)
	}
	b := c.rest.bulk
	b.mu.Lock()
	info := j.info(true)
	b.mu.Unlock()
	return c.json(http.StatusOK, info)
}

func errJobState(message string) *apiError { return badRequest("INVALIDJOBSTATE", message) }

// changeJob closes a job, which starts it, or aborts it.
func (c *call) changeJob(j *bulkJob) error {
	var in struct {
		State string `json:"state"`
	}
	text, err := c.body()
	if err != nil {
		return err
	}
	if err := decodeJSON(text, &in); err != nil {
		return jsonError(text, err)
	}
	b := c.rest.bulk
	b.mu.Lock()
	err = b.change(j, jobState(in.State))
	info := j.info(false)
	b.mu.Unlock()
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, info)
}

// change does what a PATCH asks for. The caller holds mu.
func (b *bulk) change(j *bulkJob, to jobState) error {
	switch {
	case to == jobUploadComplete && j.kind == "ingest":
		if j.state != jobOpen {
			return errJobState("InvalidJobState : Closing job with state " + string(j.state) + " is not allowed.")
		}
		b.enqueue(j)
	case to == jobAborted:
		if j.finished() {
			return errJobState("Aborting already Completed Job not allowed")
		}
		j.end(jobAborted, "")
	default:
		return badRequest("INVALIDJOB", "InvalidJob : A job's state can be set to UploadComplete or Aborted only.")
	}
	return nil
}

// deleteJob forgets a job that is closed and not being worked on.
func (c *call) deleteJob(j *bulkJob) error {
	b := c.rest.bulk
	b.mu.Lock()
	if j.state == jobOpen || j.state == jobInProgress {
		state := j.state
		b.mu.Unlock()
		return errJobState("InvalidJobState : Deleting job with state " + string(state) + " is not allowed.")
	}
	j.stop()
	delete(b.jobs, j.id)
	if j.state == jobUploadComplete {
		j.state = jobAborted // a step that was already on its way finds it so
	}
	b.mu.Unlock()
	return c.empty(http.StatusNoContent)
}
