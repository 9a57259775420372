package writeback

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"sfbridge/internal/crashpoint"
	"sfbridge/internal/flow"
	"sfbridge/kafka"
	"sfbridge/salesforce"
	"sfbridge/writeback/echo"
	"sfbridge/writeback/rows"
)

// report is what a call tells the scheduler when it has ended.
type report struct {
	b *batch
	// again are the items that have to be written still, by the item of the
	// batch that they come from; all others are settled.
	again map[*item][]*item
	err   *callError // the call failed as a whole, or the org refused rows for its own sake
	well  bool       // the org took the call
	locks bool       // rows were refused for locks that others hold
	lost  bool       // the share is not held any more
}

// caller carries out one batch, in a goroutine of its own.
type caller struct {
	*carrier
	b   *batch
	rep report
}

// call carries out a batch: what has to be known is looked up, what a successor
// has to know is noted, the writes are announced, made, and settled.
func (c *carrier) call(ctx context.Context, b *batch) report {
	cl := &caller{carrier: c, b: b, rep: report{b: b, again: map[*item][]*item{}}}
	if !c.share.Held() {
		cl.rep.lost = true
		cl.back(b.items)
		return cl.rep
	}
	left, err := cl.resolve(ctx)
	if err == nil && len(left.items) > 0 {
		err = cl.write(ctx, left)
	}
	if err != nil {
		cl.failed(ctx, left.items, err)
	}
	if b.op == rows.Insert && len(cl.rep.again) > 0 {
		if err := cl.notes.flush(ctx); err != nil {
			cl.f.log.Debug("note of inserts not brought up to date", "err", err)
		}
	}
	return cl.rep
}

// back gives items back to be written still, as they are.
func (cl *caller) back(items []*item) {
	for _, it := range items {
		cl.rep.again[it] = []*item{it}
	}
}

// resolve settles what needs no write, and gives the batch of the others.
func (cl *caller) resolve(ctx context.Context) (*batch, error) {
	left := *cl.b
	verdicts, err := cl.f.resolve(ctx, cl.b)
	if err != nil {
		return &left, fmt.Errorf("before the write: %w", err)
	}
	left.items = make([]*item, 0, len(cl.b.items))
	for i, it := range cl.b.items {
		if v, known := verdicts[i]; known {
			cl.judge(ctx, it, v, "")
		} else {
			left.items = append(left.items, it)
		}
	}
	return &left, nil
}

// write makes the call and judges what comes back.
func (cl *caller) write(ctx context.Context, b *batch) error {
	if b.op == rows.Insert {
		if err := cl.notes.begin(ctx, b.items); err != nil {
			return &callError{err: err, class: salesforce.ClassTransient}
		}
	}
	said, err := cl.f.cfg.Announce.Announce(ctx, announcement(&cl.f.cfg, b))
	if err != nil {
		cl.notMade(b)
		return &callError{err: fmt.Errorf("announce the write: %w", err), class: salesforce.ClassTransient}
	}
	if !cl.share.Held() { // what was asked before may have taken long
		cl.notMade(b)
		said.Done(make([]string, len(b.items)))
		cl.rep.lost = true
		cl.back(b.items)
		return nil
	}
	crashpoint.Here("writeback-before-call")
	cl.met.called(b)
	verdicts, err := cl.f.send(ctx, b, &batchNotes{cl.notes, b.items})
	crashpoint.Here("writeback-after-call")
	if err != nil {
		failure := asCallError(err)
		if !failure.unknown {
			cl.notMade(b)
		}
		if failure.nothing { // else rows may have been written, and their events come
			said.Done(make([]string, len(b.items)))
		}
		return err
	}
	if allTold(verdicts) {
		said.Done(writtenIDs(verdicts))
	}
	cl.settleAll(ctx, b, verdicts)
	return nil
}

// notMade takes back that a batch's rows may have been inserted.
func (cl *caller) notMade(b *batch) {
	if b.op == rows.Insert {
		cl.notes.end(b.items, false)
	}
}

// settleAll judges every item of a call that was answered.
func (cl *caller) settleAll(ctx context.Context, b *batch, verdicts []verdict) {
	cl.rep.well = true
	crashpoint.Here("writeback-before-settle")
	pace := settlePace{c: cl.carrier}
	for i, it := range b.items {
		pace.next(ctx, it)
		if b.op == rows.Insert && !it.unknown { // a job's results may leave it open
			cl.notes.end([]*item{it}, verdicts[i].done != "")
		}
		if verdicts[i].done != "" {
			cl.lastWell.Store(time.Now().UnixNano())
		}
		cl.judge(ctx, it, verdicts[i], b.api)
	}
}

// allTold tells whether it is known of each row whether it was written.
func allTold(vs []verdict) bool {
	return !slices.ContainsFunc(vs, func(v verdict) bool { return v.err != nil && v.err.untold })
}

// writtenIDs are the ids of the rows that were written, "" for the others.
func writtenIDs(vs []verdict) []string {
	ids := make([]string, len(vs))
	for i, v := range vs {
		if v.done != "" && v.done != flow.Skipped {
			ids[i] = v.id
		}
	}
	return ids
}

// judge settles an item by its verdict, or gives it back.
func (cl *caller) judge(ctx context.Context, it *item, v verdict, api string) {
	if v.err == nil {
		cl.settler.done(it, v, api)
		return
	}
	r := v.err
	if r.cause != nil && r.cause.Code == codeDeleted && cl.redirected(ctx, it) {
		return
	}
	if r.cause != nil && wholeObject[r.cause.Code] {
		cl.rep.err = asCallError(r.cause)
		cl.back([]*item{it})
		return
	}
	if r.cause != nil && r.cause.Code == codeInvalidField {
		if cl.fieldRefused(ctx, it, r) {
			return
		}
	}
	cl.refuse(ctx, it, r)
}

// redirected sends an item on to the record that its own was merged into (C34
// of the users' cases).
func (cl *caller) redirected(ctx context.Context, it *item) bool {
	if it.moved || it.row.Op == rows.Delete || it.row.Op == rows.Undelete {
		return false
	}
	_, ok, err := cl.f.redirect(ctx, it)
	if err != nil {
		cl.rep.err = asCallError(err)
		cl.back([]*item{it})
		return true
	}
	it.moved = ok
	if ok {
		cl.again(it, 0, "merged")
	}
	return ok
}

// fieldRefused deals with a field that the org does not know: once for an item,
// the object is described again and the item mapped anew (C28 of the users'
// cases). It tells whether the item is dealt with.
func (cl *caller) fieldRefused(ctx context.Context, it *item, r *refusal) bool {
	if !it.remapped {
		it.remapped = true
		now, err := cl.f.refresh(ctx, it.target)
		if err != nil {
			it.remapped = false
			cl.rep.err = asCallError(err)
			cl.back([]*item{it})
			return true
		}
		if now != it.target {
			cl.again(it, 0, "described")
			return true
		}
	}
	switch gone := cl.f.missing(it.target, it.row); {
	case len(gone) > 0:
		r.fields = gone
		r.text = fmt.Sprintf("%s; the object has no such field any more, or the integration user may not see it", r.text)
	case hasParents(it.target, it.row):
		// The same code says that no row has the external id of a parent.
		r.reason = flow.NotFound
	}
	return false
}

// refuse makes a dead letter of an item, or gives it back if another try may
// help.
func (cl *caller) refuse(ctx context.Context, it *item, r *refusal) {
	if r.reason == flow.Locked {
		cl.rep.locks = true
	}
	if r.free {
		cl.again(it, time.Second, r.label())
		return
	}
	it.attempts++
	if it.attempts == 1 {
		it.refused = time.Now()
	}
	if it.attempts < r.tries(cl.f.cfg.Attempts) || cl.orgIll(it, r) {
		cl.again(it, retries().Wait(it.attempts, 0), r.label())
		return
	}
	if len(it.under) > 0 && r.class == salesforce.ClassData {
		it.attempts = 0
		cl.met.retry("apart")
		cl.rep.again[it] = it.apart()
		return
	}
	cl.letter(ctx, it, r)
}

// noWitness is how long a row that the org breaks down over is tried on while
// no other row fares better.
const noWitness = 15 * time.Minute

// orgIll tells whether a refusal may be the org's fault rather than the row's:
// it broke down over a row alone, and no call went well since it first did.
func (cl *caller) orgIll(it *item, r *refusal) bool {
	return r.cause != nil && r.cause.Status >= 500 && r.class == salesforce.ClassTransient &&
		cl.lastWell.Load() < it.refused.UnixNano() && time.Since(it.refused) < noWitness
}

// letter makes a dead letter. If the share ends before Kafka takes it, the item
// stays unsettled, and whoever has the partition next tries it again.
func (cl *caller) letter(ctx context.Context, it *item, r *refusal) {
	if err := cl.settler.refuse(ctx, it, r); err != nil {
		cl.f.log.Warn("dead letter not written", "topic", it.d.Topic, "partition", it.d.Partition, "offset", it.d.Offset, "err", err)
		cl.back([]*item{it})
	}
}

// again gives an item back to be tried after a wait.
func (cl *caller) again(it *item, wait time.Duration, label string) {
	it.after = time.Now().Add(wait)
	cl.met.retry(label)
	cl.back([]*item{it})
}

// failed deals with a call that failed as a whole.
func (cl *caller) failed(ctx context.Context, items []*item, err error) {
	e := asCallError(err)
	if errors.Is(err, errNoteFull) {
		cl.smaller(items, 100*time.Millisecond)
		return
	}
	if said, ok := asError(e.err); ok && !e.unknown && !wholeObject[said.Code] &&
		(said.Class() == salesforce.ClassData || perhapsRow[said.Code]) && cl.b.api != apiBulk {
		cl.perhapsOneRow(ctx, items, said)
		return
	}
	cl.rep.err = e
	if !e.unknown {
		cl.back(items)
		return
	}
	for _, it := range items {
		cl.inDoubt(ctx, it, e)
	}
}

// inDoubt deals with an insert that may have been made: it is looked up before
// it is made again, or set aside if nothing can tell (C22 of the users' cases).
func (cl *caller) inDoubt(ctx context.Context, it *item, e *callError) {
	if it.row.Key == "" || it.target.mapper.KeyField() == "Id" {
		it.attempts++
		cl.letter(ctx, it, unknownOutcome(e.Error()))
		return
	}
	it.unknown, it.alone = true, true
	cl.back([]*item{it})
}

// unknownOutcome is the refusal of an insert of which nobody can tell whether
// it was made.
func unknownOutcome(why string) *refusal {
	return &refusal{reason: flow.UnknownOutcome, text: why + "; the row has no external id to look it up by: look in the org before it is retried"}
}

// perhapsOneRow deals with a refusal of the whole call that may be one row's
// doing: the others are sent without it.
func (cl *caller) perhapsOneRow(ctx context.Context, items []*item, said *salesforce.Error) {
	if len(items) == 1 {
		cl.judge(ctx, items[0], verdict{err: refused(said)}, cl.b.api)
		return
	}
	if said.Code == codeInvalidField && cl.fieldsRefused(ctx, items, said) {
		return
	}
	cl.smaller(items, retries().Wait(1, said.RetryAfter))
}

// fieldsRefused finds the rows with fields that the org does not know any more.
// It tells whether there are any, or whether all are to be mapped anew.
func (cl *caller) fieldsRefused(ctx context.Context, items []*item, said *salesforce.Error) bool {
	now, err := cl.f.refresh(ctx, cl.b.target)
	if err != nil {
		cl.rep.err = asCallError(err)
		cl.back(items)
		return true
	}
	if now != cl.b.target {
		for _, it := range items {
			it.remapped = true
			cl.again(it, 0, "described")
		}
		return true
	}
	found := false
	for _, it := range items {
		found = found || len(cl.f.missing(it.target, it.row)) > 0
	}
	if !found {
		return false
	}
	for _, it := range items {
		if len(cl.f.missing(it.target, it.row)) == 0 {
			cl.again(it, 0, "not_reached")
			continue
		}
		it.remapped = true
		cl.judge(ctx, it, verdict{err: refused(said)}, cl.b.api)
	}
	return true
}

// smaller gives items back to be sent in calls of half as many rows, after a wait.
func (cl *caller) smaller(items []*item, wait time.Duration) {
	for _, it := range items {
		it.limit = min((len(items)+1)/2, salesforce.MaxCollection)
		cl.again(it, wait, "smaller")
	}
}

// announcement tells what a batch writes.
func announcement(cfg *Config, b *batch) echo.Batch {
	return echo.Batch{
		Org: cfg.Org, Object: b.target.object.Name, KeyField: b.target.mapper.KeyField(), Each: writes(b),
	}
}

// writes gives what is written, one row at a time.
func writes(b *batch) iter.Seq[echo.Write] {
	return func(yield func(echo.Write) bool) {
		var pairs []echo.Pair
		for _, it := range b.items {
			pairs = pairs[:0]
			b.target.mapper.Fields(it.row, func(f *salesforce.Field, v rows.Value) bool {
				pairs = append(pairs, echo.Pair{Field: f, Value: v})
				return true
			})
			if !yield(echo.Write{Operation: b.op, ID: b.target.recordID(it), Key: it.row.Key, Fields: pairs}) {
				return
			}
		}
	}
}

var _ share = (*kafka.Share)(nil)
