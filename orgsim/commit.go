package orgsim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"sfbridge/event"
)

// commitState is what goes on from transaction to transaction. Org.mu guards
// it.
type commitState struct {
	number int64 // the last commit number; beyond 2^53, as on live orgs

	nextKey    string // transaction key of the next commit, for tests
	nextNumber int64  // commit number of the next commit, for tests
}

// firstCommitNumber is where commit numbers start: larger than 2^53, so that
// a reader that goes through floats is found out.
const firstCommitNumber = 1725346778429841408

// commit turns what a transaction did into change events on the bus.
func (o *Org) commit(tx *Tx) Result {
	changes := changesOf(tx)
	res := o.beginCommit(tx.now)
	res.Changes = len(changes)
	if len(changes) == 0 {
		return res
	}
	b := committer{org: o, caller: tx.caller, res: &res, overflow: map[*table]bool{}}
	for _, g := range b.group(changes) {
		b.sequence++ // also for objects that nobody captures: the numbers have holes
		if o.captured[g.lead().table.def.Name] {
			b.emit(g)
		}
	}
	o.armTriggers(tx.caller, changes)
	return res
}

// beginCommit takes the numbers that a transaction needs.
func (o *Org) beginCommit(now time.Time) Result {
	res := Result{TransactionKey: newUUID(o.rng), CommitTimestamp: now}
	if o.commits.nextKey != "" {
		res.TransactionKey, o.commits.nextKey = o.commits.nextKey, ""
	}
	o.commits.number += 1 + o.rng.Int64N(1000)
	if o.commits.nextNumber != 0 {
		o.commits.number, o.commits.nextNumber = o.commits.nextNumber, 0
	}
	res.CommitNumber = o.commits.number
	return res
}

// committer makes the events of one transaction.
type committer struct {
	org      *Org
	caller   Caller
	res      *Result
	sequence int32
	counted  int             // towards the overflow threshold
	overflow map[*table]bool // objects whose GAP_OVERFLOW is out
}

// group merges changes that are the same for several records of one object
// into one event each, in order of their first record: deletes, and updates
// with equal content.
type group []*change

func (g group) lead() *change { return g[0] }

func (g group) recordIDs() []string {
	ids := make([]string, len(g))
	for i, c := range g {
		ids[i] = c.recordID()
	}
	return ids
}

func (b *committer) group(changes []*change) []group {
	var out []group
	at := map[string]int{}
	for _, c := range changes {
		s := c.table.schema
		var key string
		switch c.typ {
		case event.Update:
			c.compare(s, b.org.cfg.Switches.WrongDiffHash)
			key = "u" + s.name + "\x00" + string(s.appendBody(nil, c.content(s, true))) +
				fmt.Sprint(c.changed.strings(false), c.nulled.strings(false))
		case event.Delete:
			key = "d" + s.name
		default:
			out = append(out, group{c})
			continue
		}
		if i, ok := at[key]; ok && len(out[i]) < b.org.cfg.MaxMerged {
			out[i] = append(out[i], c)
			continue
		}
		at[key] = len(out)
		out = append(out, group{c})
	}
	return out
}

// header makes the header that the events of the transaction share.
func (b *committer) header(entity string, typ event.ChangeType, ids []string) *event.Header {
	h := &event.Header{
		EntityName: entity, RecordIDs: ids, ChangeType: typ, ChangeOrigin: b.caller.origin(),
		TransactionKey: b.res.TransactionKey, SequenceNumber: b.sequence, CommitTimestamp: b.res.CommitTimestamp.UnixMilli(),
		CommitNumber: b.res.CommitNumber, CommitUser: b.caller.UserID,
	}
	if b.org.cfg.Switches.SplitSecond && b.sequence > 1 {
		h.CommitTimestamp += 1000
	}
	return h
}

// emit stores the event of one group: whole, as a gap when it is too large,
// or as an overflow of its object when the transaction is.
func (b *committer) emit(g group) {
	c, o := g.lead(), b.org
	for _, each := range g {
		b.counted += each.weight()
	}
	if b.counted > o.cfg.OverflowAfter {
		if !b.overflow[c.table] {
			b.overflow[c.table] = true
			b.emitEmpty(c.table, event.GapOverflow, []string{event.OverflowRecordID})
		}
		return
	}
	h := b.header(c.table.def.Name, c.typ, g.recordIDs())
	h.ChangedFields = c.changed.strings(false)
	h.NulledFields = c.nulled.strings(o.cfg.Switches.NullMaskFirst)
	h.DiffFields = c.diffed.strings(false)
	s := c.table.schema
	payload := s.appendBody(appendHeader(nil, h), c.content(s, o.cfg.Switches.EmptyCompounds))
	if len(payload) > o.cfg.MaxEventBytes {
		b.emitEmpty(c.table, "GAP_"+c.typ, h.RecordIDs)
		return
	}
	b.store(&stored{entity: c.table.def.Name, schemaID: s.id, payload: payload, detail: o.detailOf(s, h, g)}, h)
}

// emitEmpty stores an event that has a header and nothing else.
func (b *committer) emitEmpty(t *table, typ event.ChangeType, ids []string) {
	h := b.header(t.def.Name, typ, ids)
	payload := t.schema.appendBody(appendHeader(nil, h), emptyBody())
	b.store(&stored{entity: t.def.Name, schemaID: t.schema.id, payload: payload}, h)
}

func (b *committer) store(e *stored, h *event.Header) {
	e.uuid = newUUID(b.org.rng)
	b.org.bus.append(e)
	b.org.ledger.add(e, h)
	b.res.Events++
}

// newUUID makes a version 4 UUID from a random source.
func newUUID(rng *rand.Rand) string {
	hi, lo := rng.Uint64(), rng.Uint64()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(0b11<<62) | 0b10<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&(1<<48-1))
}
