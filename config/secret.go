package config

import (
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a value that is never shown. It keeps where the value comes from,
// not the value, so that a secret that rotates is read anew.
//
// The zero Secret is not set. Secrets may be copied.
type Secret struct {
	from source // a pointer, so that even a reflecting printer shows an address
}

// source is where a secret comes from.
type source interface{ value() (string, error) }

// IsSet tells whether the secret was given.
func (s Secret) IsSet() bool { return s.from != nil }

// Get reads the secret from its source: the configuration file's own text, the
// environment, or a file as it is now. One newline at the end of a file is
// dropped. A secret that is not set is "". The error names the source.
func (s Secret) Get() (string, error) {
	if s.from == nil {
		return "", nil
	}
	return s.from.value()
}

// String gives [redacted], or "" for a secret that is not set.
func (s Secret) String() string {
	if s.from == nil {
		return ""
	}
	return redacted
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// Format hides the secret from every verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue hides the secret from logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret from JSON, YAML and whatever else asks.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// template is text with expansions in it.
type template struct {
	text string
	exp  *expander
}

func (t *template) value() (string, error) {
	v, err := t.exp.expand(t.text)
	if err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	return v, nil
}
