package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// key is one key of a section: where its value goes, and all that the decoder
// and the documentation need to know of it.
type key struct {
	name     string
	to       any // pointer to a section, a map or list of sections, or a scalar
	required bool
	def      string   // the default, written as in the file; "" for none
	oneOf    []string // the only values, if not nil
	min, max string   // bounds of a number, size or duration, written as in the file
	valid    func(string) *issue
	names    func(string) *issue // of the keys of a map
	clean    func(string) string // applied to a valid string before it is stored
	commas   bool                // entries of the list may be comma-separated lists
	unit     string              // of a number
	example  string              // written as in the file
	doc      string              // Markdown, one paragraph
}

// section is a part of the file with keys of its own.
type section interface{ keys() []key }

// issue is what is wrong with one value, before it has a place in a file.
// In problem, the value itself is not quoted: it may be a secret.
type issue struct {
	problem, remedy string
	warning         bool
}

// setDefaults fills a section, and the sections in it, with their defaults.
// Defaults are the program's own text; one that does not parse is a bug.
func setDefaults(s section) {
	for _, k := range s.keys() {
		if sub, ok := k.to.(section); ok {
			setDefaults(sub)
			continue
		}
		if k.def == "" {
			continue
		}
		if list, ok := k.to.(*[]string); ok {
			*list = splitList(k.def)
			continue
		}
		if is := k.set(k.def); is != nil {
			panic(fmt.Sprintf("config: default of %s: %s", k.name, is.problem))
		}
	}
}

// set stores a scalar. Secrets and files are not set here, since they keep
// the way to their value.
func (k key) set(text string) *issue {
	var n int64
	var is *issue
	switch to := k.to.(type) {
	case *string:
		*to = k.cleaned(text) // even if refused, so that no check takes the default for it
		return k.accept(text)
	case *bool:
		if text != "true" && text != "false" {
			return &issue{problem: "is no truth value", remedy: "write true or false"}
		}
		*to = text == "true"
		return nil
	case *int:
		if n, is = parseInt(text); is == nil {
			*to = int(n)
		}
	case *time.Duration:
		var d time.Duration
		if d, is = parseDuration(text); is == nil {
			*to, n = d, int64(d)
		}
	case *Bytes:
		var b Bytes
		if b, is = parseBytes(text); is == nil {
			*to, n = b, int64(b)
		}
	case *Percent:
		var p Percent
		if p, is = parsePercent(text); is == nil {
			*to, n = p, int64(p)
		}
	default:
		panic(fmt.Sprintf("config: key %s has a value of type %T", k.name, k.to))
	}
	return cmp.Or(is, k.bounds(n))
}

// accept checks the text of a string, be it a key's value or a list's entry.
func (k key) accept(text string) *issue {
	if k.oneOf != nil && !slices.Contains(k.oneOf, text) {
		return &issue{problem: "is not known", remedy: choose(text, k.oneOf)}
	}
	if k.valid != nil && text != "" {
		return k.valid(text)
	}
	return nil
}

func (k key) cleaned(text string) string {
	if k.clean == nil {
		return text
	}
	return k.clean(text)
}

func (k key) bounds(n int64) *issue {
	if lo, ok := k.bound(k.min); ok && n < lo {
		return &issue{problem: "is too small", remedy: "give " + k.min + " or more"}
	}
	if hi, ok := k.bound(k.max); ok && n > hi {
		return &issue{problem: "is too large", remedy: "give " + k.max + " or less"}
	}
	return nil
}

func (k key) bound(text string) (n int64, ok bool) {
	if text == "" {
		return 0, false
	}
	var is *issue
	switch k.to.(type) {
	case *time.Duration:
		var d time.Duration
		d, is = parseDuration(text)
		n = int64(d)
	case *Bytes:
		var b Bytes
		b, is = parseBytes(text)
		n = int64(b)
	case *Percent:
		var p Percent
		p, is = parsePercent(text)
		n = int64(p)
	default:
		n, is = parseInt(text)
	}
	return n, is == nil
}

// mayBeEmpty tells whether "" says something: that there is no listener.
func (k key) mayBeEmpty() bool { return k.name == "listen" }

func parseInt(text string) (int64, *issue) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, &issue{problem: "is no whole number", remedy: "write digits alone"}
	}
	return n, nil
}

func splitList(text string) []string {
	parts := strings.Split(text, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
