package auth

import "log/slog"

const redacted = "[redacted]"

// Secret is text that must not be shown: passwords, tokens, client secrets. It
// prints, logs and marshals as [redacted]; Reveal is the only way to the text.
type Secret string

// Reveal returns the text itself, for the one place that sends it.
func (s Secret) Reveal() string { return string(s) }

// String hides the text. An empty secret prints as nothing, so that logs show
// that none was given.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString hides the text from %#v.
func (s Secret) GoString() string { return `auth.Secret("` + s.String() + `")` }

// LogValue hides the text from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the text from JSON, YAML and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
