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

// SecretFunc gives a secret as it is now, from where it is kept, so that it can
// be replaced while the program runs. It is called from one goroutine at a
// time, at each login; its error should name the source, and never the secret.
// Nil is a secret that was not given.
type SecretFunc func() (Secret, error)

// Fixed gives a secret that never changes.
func Fixed(s Secret) SecretFunc { return func() (Secret, error) { return s, nil } }

// read gives the secret of a field of Config, "" where none was given.
func (f SecretFunc) read(field string) (Secret, error) {
	if f == nil {
		return "", nil
	}
	secret, err := f()
	if err != nil {
		return "", &ConfigError{field, "read: " + err.Error()}
	}
	return secret, nil
}

// need is read for a field that the method cannot do without.
func (f SecretFunc) need(field string) (Secret, error) {
	if f == nil {
		return "", &ConfigError{field, "is missing"}
	}
	secret, err := f.read(field)
	if err == nil && secret == "" {
		err = &ConfigError{field, "is empty"}
	}
	return secret, err
}
