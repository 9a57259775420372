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
	// A function, since fmt calls no methods of unexported fields that hold a
	// Secret: of a string, or of a pointer to one, it would show the text.
	from func() (string, error)
}

// IsSet tells whether the secret was given.
func (s Secret) IsSet() bool { return s.from != nil }

// Get reads the secret from its source: the configuration file's own text, the
// environment, or a file as it is now. One newline at the end of a file is
// dropped. A secret that is not set is "". The error names the source.
func (s Secret) Get() (string, error) {
	if s.from == nil {
		return "", nil
	}
	return s.from()
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

// secret keeps text of the configuration with its expansions.
func (e *expander) secret(text string) Secret {
	return Secret{from: func() (string, error) {
		v, err := e.expand(text)
		if err != nil {
			return "", fmt.Errorf("secret: %w", err)
		}
		return v, nil
	}}
}
