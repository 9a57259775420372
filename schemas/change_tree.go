package schemas

import (
	"slices"
	"strings"

	"sfbridge/event"
)

// changeTree decodes a change event and leaves out what it does not speak of. In
// a change event null is no value: only a field in nulledFields was cleared
// (Pub/Sub API guide, "Event Deserialization Considerations"). A field that is
// null without being named there has not changed, or may not be seen by the
// integration user, and is not in the tree; a part of a compound field likewise.
//
// A field in diffFields holds a difference against its old text, not the text.
// It comes as an object with that difference in its one field, diff, so that
// nobody takes it for the text.
func (c *Codec) changeTree(payload []byte) (any, error) {
	var h event.Header
	if _, err := c.DecodeHeader(payload, &h); err != nil {
		return nil, err
	}
	v, err := c.readTree(payload, true)
	if err != nil {
		return nil, err
	}
	tree := v.(map[string]any)
	header, _ := tree[headerName].(map[string]any)
	for name, set := range map[string][]string{"nulledFields": h.NulledFields, "diffFields": h.DiffFields, "changedFields": h.ChangedFields} {
		if _, ok := header[name]; ok {
			header[name] = anyList(set)
		}
	}
	for _, name := range h.NulledFields {
		c.setNull(tree, name)
	}
	for _, name := range h.DiffFields {
		parent, inner, compound := strings.Cut(name, ".")
		if of, ok := tree[parent].(map[string]any); ok && compound {
			wrapDiff(of, inner)
		} else if !compound {
			wrapDiff(tree, name)
		}
	}
	return tree, nil
}

// setNull puts a null into the tree of a change event, where the schema has such
// a field and the event no value for it.
func (c *Codec) setNull(tree map[string]any, name string) {
	parent, inner, compound := strings.Cut(name, ".")
	i := slices.IndexFunc(c.root.fields, func(f field) bool { return f.name == parent })
	if i < 1 { // not there, or the header
		return
	}
	of := c.root.fields[i].node.record()
	if compound {
		if of == nil || !slices.ContainsFunc(of.fields, func(f field) bool { return f.name == inner }) {
			return
		}
		if tree[parent] == nil {
			tree[parent] = make(map[string]any)
		}
		parts, ok := tree[parent].(map[string]any)
		if !ok { // the name of a business account, which has no parts
			return
		}
		tree, name = parts, inner
	}
	if _, ok := tree[name]; !ok {
		tree[name] = nil
	}
}

func wrapDiff(tree map[string]any, name string) {
	if text, ok := tree[name].(string); ok {
		tree[name] = map[string]any{"diff": text}
	}
}

func anyList(set []string) []any {
	out := make([]any, len(set))
	for i, s := range set {
		out[i] = s
	}
	return out
}
