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
	v, err := c.tree(payload)
	if err != nil {
		return nil, err
	}
	var h event.Header
	if _, err := c.DecodeHeader(payload, &h); err != nil {
		return nil, err
	}
	tree := v.(map[string]any)
	header := tree[headerName].(map[string]any)
	for name, set := range map[string][]string{"nulledFields": h.NulledFields, "diffFields": h.DiffFields, "changedFields": h.ChangedFields} {
		if _, ok := header[name]; ok {
			header[name] = anyList(set)
		}
	}
	for i := range c.root.fields[1:] {
		f := &c.root.fields[i+1]
		prune(tree, f.spelt, f.node.record() != nil, h.NulledFields)
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

// prune takes a field out of the tree that the event does not speak of.
func prune(tree map[string]any, name string, compound bool, nulled []string) {
	parts, isRecord := tree[name].(map[string]any)
	switch {
	case tree[name] == nil && slices.Contains(nulled, name):
		return
	case tree[name] == nil && !compound:
		delete(tree, name)
		return
	case !compound || tree[name] != nil && !isRecord:
		return
	}
	kept := make(map[string]any, len(parts))
	for part, v := range parts {
		if v != nil {
			kept[part] = v
		}
	}
	for _, of := range nulled {
		if part, ok := strings.CutPrefix(of, name+"."); ok {
			kept[part] = parts[part]
		}
	}
	if tree[name] = kept; len(kept) == 0 {
		delete(tree, name)
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
