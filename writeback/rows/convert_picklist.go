package rows

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"sfbridge/salesforce"
)

// choices are the values of one picklist.
type choices struct {
	restricted bool
	active     map[string]bool   // by value
	byLabel    map[string]string // nil: values are given as values
	ambiguous  map[string]bool   // labels that several active values have
	values     []string          // active ones, as the list has them
}

func choicesOf(f *salesforce.Field, labels bool) func() *choices {
	return sync.OnceValue(func() *choices {
		c := &choices{restricted: f.Restricted, active: make(map[string]bool, len(f.Picklist))}
		if labels {
			c.byLabel, c.ambiguous = map[string]string{}, map[string]bool{}
		}
		for _, p := range f.Picklist {
			c.active[p.Value] = c.active[p.Value] || p.Active
			if !p.Active {
				continue
			}
			c.values = append(c.values, p.Value)
			if other, there := c.byLabel[p.Label]; there && other != p.Value {
				c.ambiguous[p.Label] = true
			} else if labels {
				c.byLabel[p.Label] = p.Value
			}
		}
		return c
	})
}

// value gives the value that is meant: of a label, if labels are given. Where
// the list is restricted it has to be one of its active values, to the letter
// (C37 of the users' cases).
func (c *choices) value(s string) (string, error) {
	if c.ambiguous[s] {
		return "", errors.New("a label that several values of the picklist have: give the value itself, with picklists: values")
	}
	if v, ok := c.byLabel[s]; ok {
		return v, nil
	}
	active, listed := c.active[s]
	if active || !c.restricted {
		return s, nil
	}
	if listed {
		return "", withCode(codePicklist, errors.New("a value of the restricted picklist that is no longer active"))
	}
	for _, v := range c.values {
		if strings.EqualFold(strings.TrimSpace(s), v) {
			how := "the upper or lower case of letters"
			if !strings.EqualFold(s, v) {
				how = "blanks around it"
			}
			return "", withCode(codePicklist, fmt.Errorf("not a value of the restricted picklist, which has %q: it differs in %s; "+
				"trim() and the like in an expression mend it", v, how))
		}
	}
	return "", withCode(codePicklist, errors.New("not an active value of the restricted picklist: add it to the list, or translate it in an expression"))
}

func picklistOf(f *salesforce.Field, labels bool) converter {
	list := choicesOf(f, labels)
	return func(v any) (Kind, string, error) {
		s, err := plainText(v)
		if err != nil {
			return 0, "", err
		}
		if strings.Trim(s, " ") == "" {
			return Null, "", nil
		}
		if f.Restricted || labels {
			if s, err = list().value(s); err != nil {
				return 0, "", err
			}
		}
		return checkedText(s, f.Length)
	}
}

// multipicklistOf takes a list of values, or text with a semicolon between
// them.
func multipicklistOf(f *salesforce.Field, labels bool) converter {
	list := choicesOf(f, labels)
	return func(v any) (Kind, string, error) {
		parts, err := picked(v)
		if err != nil {
			return 0, "", err
		}
		kept := make([]string, 0, len(parts))
		for _, s := range parts {
			if strings.Trim(s, " ") == "" {
				continue
			}
			if f.Restricted || labels {
				if s, err = list().value(s); err != nil {
					return 0, "", err
				}
			}
			kept = append(kept, s)
		}
		return checkedText(strings.Join(kept, ";"), f.Length)
	}
}

// picked are the values that a multi-select picklist is given.
func picked(v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		s, err := plainText(v)
		return strings.Split(s, ";"), err
	}
	parts := make([]string, len(list))
	for i, item := range list {
		s, err := plainText(item)
		switch {
		case err != nil:
			return nil, fmt.Errorf("item %d: %w", i+1, err)
		case strings.Contains(s, ";"):
			return nil, fmt.Errorf("item %d has a semicolon in it, which the org would take for two values", i+1)
		}
		parts[i] = s
	}
	return parts, nil
}
