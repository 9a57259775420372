package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxErrors is how many problems are reported at once; a person fixes the
// first ones first.
const maxErrors = 100

// Error is one problem of a configuration file.
type Error struct {
	File         string
	Line, Column int    // from 1; 0 where the problem has no place in the file
	Key          string // such as orgs.main.auth.username or capture[0].objects[1]; "" for the file itself
	Value        string // as written in the file; [redacted] for secrets; "" where it adds nothing
	Problem      string // what is wrong, as the end of a sentence about the key or its value
	Remedy       string // what to do about it
}

// Error writes file:line:column, key, value, problem and remedy in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": ")
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	if e.Value != "" {
		fmt.Fprintf(&b, "%q ", e.Value)
	}
	b.WriteString(e.Problem)
	if e.Remedy != "" {
		b.WriteString("; " + e.Remedy)
	}
	return b.String()
}

// Errors are all problems of a configuration file, in the order of the file.
type Errors []*Error

// Error writes one problem per line.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find an [*Error].
func (es Errors) Unwrap() []error {
	errs := make([]error, len(es))
	for i, e := range es {
		errs[i] = e
	}
	return errs
}

func (es Errors) sort() {
	slices.SortStableFunc(es, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Key, b.Key))
	})
}
