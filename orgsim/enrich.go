package orgsim

import (
	"slices"

	"sfbridge/event"
)

// detail is what an event must keep so that it can be written again for a
// channel that adds fields, or for a user who may not see some.
type detail struct {
	schema  *schema
	header  *event.Header
	content body
	mask    *fieldMask // what an update changed
}

// detailOf keeps the detail of an event where some channel or user needs it.
func (o *Org) detailOf(s *schema, h *event.Header, g group) *detail {
	if !o.detailed[h.EntityName] {
		return nil
	}
	return &detail{schema: s, header: h, content: g.lead().content(s, o.cfg.Switches.EmptyCompounds), mask: &g.lead().changed}
}

// delivery is one event as a subscription receives it.
type delivery struct {
	wire []byte
	of   *stored
}

// render gives the event as a user sees it on a channel: as it was stored, or
// with fields hidden, or with enriched fields and then once per record, all
// under one replay id. Enriched values are those of now, not of the commit.
func (o *Org) render(e *stored, enriched, hidden []string) []delivery {
	if e.detail == nil || len(enriched)+len(hidden) == 0 {
		return []delivery{{wire: e.wire, of: e}}
	}
	h := e.detail.header
	if len(enriched) == 0 || h.ChangeType != event.Update && h.ChangeType != event.Delete {
		return []delivery{{wire: o.rewrite(e, h, nil, nil, hidden), of: e}}
	}
	out := make([]delivery, 0, len(h.RecordIDs))
	for _, id := range h.RecordIDs {
		one := *h
		one.RecordIDs = []string{id}
		out = append(out, delivery{wire: o.rewrite(e, &one, o.Get(id), enriched, hidden), of: e})
	}
	return out
}

// rewrite encodes an event again: enriched fields come from the row as it is
// now unless the event itself changed them, hidden ones are null.
func (o *Org) rewrite(e *stored, h *event.Header, now *Record, enriched, hidden []string) []byte {
	s, base := e.detail.schema, e.detail.content
	extra := func(i int) bool { return now != nil && slices.Contains(enriched, s.fields[i].name) }
	content := body{
		pick: func(i, j int) Value {
			f := &s.fields[i]
			if f.hides(j, hidden) {
				return Value{}
			}
			if v := base.pick(i, j); !v.IsNull() || !extra(i) || e.detail.changes(i, j) {
				return v
			}
			if j < 0 {
				return now.fields[f.name]
			}
			if part := f.inner[j].def; part != nil {
				return now.fields[part.Name]
			}
			return Value{}
		},
		keepEmpty: base.keepEmpty,
	}
	payload := s.appendBody(appendHeader(nil, h), content)
	return appendConsumerEvent(nil, e.uuid, e.schemaID, payload, replayID(e.counter, o.cfg.Switches.ReplayIDBytes))
}

// hides tells whether the field, or its part j, is among the hidden names.
func (f *schemaField) hides(j int, hidden []string) bool {
	if slices.Contains(hidden, f.name) {
		return true
	}
	return j >= 0 && f.inner[j].def != nil && slices.Contains(hidden, f.inner[j].def.Name)
}

// changes tells whether the event's own change covers the position: a field
// that the change cleared stays null, it is not enriched.
func (d *detail) changes(i, j int) bool {
	return d.mask.has(i, j)
}
