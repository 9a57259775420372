package schemas

import "fmt"

// Values decodes a payload into plain Go values: nil, bool, int32, int64,
// float32, float64, string (enums too), []byte (fixed too), []any for arrays and
// map[string]any for records and maps, without union tags. Values with a logical
// type that goavro knows come as it gives them: time.Time, time.Duration,
// *big.Rat. The payload is checked first, so that hostile bytes never reach
// goavro, which believes their counts. A datum that is no record comes under
// the key "".
func (c *Codec) Values(payload []byte) (map[string]any, error) {
	if err := c.CheckPayload(payload); err != nil {
		return nil, err
	}
	v, _, err := c.generic.NativeFromBinary(payload)
	if err != nil {
		return nil, fmt.Errorf("decode payload of %s: %w", c.name, err)
	}
	v = untag(c.root, v)
	if m, ok := v.(map[string]any); ok && c.root.kind == kindRecord {
		return m, nil
	}
	return map[string]any{"": v}, nil
}

// untag takes the tags of unions out of a value that goavro gave, in place.
func untag(n *node, v any) any {
	switch n.kind {
	case kindUnion:
		m, ok := v.(map[string]any)
		if !ok || len(m) != 1 {
			return v
		}
		for tag, inner := range m {
			for _, b := range n.union {
				if b.typeName() == tag {
					return untag(b, inner)
				}
			}
			return inner // tagged with a logical type's name
		}
	case kindRecord:
		if m, ok := v.(map[string]any); ok {
			for _, f := range n.fields {
				m[f.name] = untag(f.node, m[f.name])
			}
		}
	case kindArray:
		if list, ok := v.([]any); ok {
			for i := range list {
				list[i] = untag(n.items, list[i])
			}
		}
	case kindMap:
		if m, ok := v.(map[string]any); ok {
			for k := range m {
				m[k] = untag(n.items, m[k])
			}
		}
	}
	return v
}
