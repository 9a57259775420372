package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
)

// expander replaces ${NAME} and ${file:PATH} in scalar values. It works on
// values that are parsed already, so what comes in cannot become YAML, and is
// not expanded again.
type expander struct {
	dir  string // relative paths start here
	env  func(string) (string, bool)
	read func(string) ([]byte, error)
}

// expandError is a value that cannot be expanded.
type expandError struct {
	problem, remedy string
	err             error
}

func (e *expandError) Error() string { return e.problem }
func (e *expandError) Unwrap() error { return e.err }

// expand replaces what is to be replaced; $$ stands for one $, and a $ before
// anything else than $ or { for itself. Errors are of type *expandError.
func (e *expander) expand(text string) (string, error) {
	var b strings.Builder
	for {
		plain, rest, ok := strings.Cut(text, "$")
		b.WriteString(plain)
		if !ok {
			return b.String(), nil
		}
		switch {
		case strings.HasPrefix(rest, "$"):
			b.WriteByte('$')
			text = rest[1:]
		case strings.HasPrefix(rest, "{"):
			what, after, ok := strings.Cut(rest[1:], "}")
			if !ok {
				return "", &expandError{problem: "has ${ without }", remedy: "close it, or write $${ for the characters themselves"}
			}
			v, err := e.lookup(what)
			if err != nil {
				return "", err
			}
			b.WriteString(v)
			text = after
		default:
			b.WriteByte('$')
			text = rest
		}
	}
}

func (e *expander) lookup(what string) (string, error) {
	if path, ok := strings.CutPrefix(what, "file:"); ok {
		path = e.path(path)
		data, err := e.read(path)
		if err != nil {
			return "", &expandError{problem: fmt.Sprintf("needs the file %s: %v", path, reason(err)), remedy: fileRemedy(err), err: err}
		}
		return trimNewline(data), nil
	}
	if !envName.MatchString(what) {
		return "", &expandError{
			problem: "has ${...} with neither a variable's name nor file:PATH in it",
			remedy:  "write ${NAME} or ${file:PATH}, or $${ for the characters themselves",
		}
	}
	v, ok := e.env(what)
	if !ok {
		return "", &expandError{
			problem: "needs the environment variable " + what + ", which is not set",
			remedy:  "set " + what + ", or write $${ for the characters themselves",
		}
	}
	return v, nil
}

func (e *expander) path(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(e.dir, p)
}

// reason drops the path that an *fs.PathError repeats.
func reason(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

func fileRemedy(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "check the path; relative paths start at the folder of the configuration file"
	case errors.Is(err, fs.ErrPermission):
		return "let the user that the bridge runs as read it"
	}
	return "name a readable file"
}

// Expansions are known by the same rule before the parse and after it.
var (
	envName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	expansion = regexp.MustCompile(`\$\{[^{}\n]*\}`)
)

// In a YAML flow mapping such as {client_id: ${SF_CLIENT_ID}} a brace ends the
// value. So the braces of expansions go through the parser as two private-use
// characters; one for one, which keeps lines and columns.
const (
	openMask  = '\uE000'
	closeMask = '\uE001'
)

func mask(text string) string {
	return expansion.ReplaceAllStringFunc(text, func(m string) string {
		return "$" + string(openMask) + m[2:len(m)-1] + string(closeMask)
	})
}

func unmask(text string) string {
	if !strings.ContainsRune(text, openMask) {
		return text
	}
	return strings.NewReplacer(string(openMask), "{", string(closeMask), "}").Replace(text)
}
