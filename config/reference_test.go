package config_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"sfbridge/config"
)

func TestReference_EveryKeyIsExplained(t *testing.T) {
	seen := 0
	names := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	for _, s := range config.Reference() {
		for _, k := range s.Keys {
			seen++
			at := s.Path + "." + k.Name
			if !names.MatchString(k.Name) {
				t.Errorf("%s: not a key in snake case", at)
			}
			if !strings.HasSuffix(k.Doc, ".") || strings.Contains(k.Doc, "\n") || strings.Contains(k.Doc, "|") {
				t.Errorf("%s: doc %q is no paragraph for a table", at, k.Doc)
			}
			if strings.Contains(k.Type, "section") {
				continue
			}
			if k.Example == "" {
				t.Errorf("%s: no example", at)
			}
			if (k.Unit != "") != (k.Type == "number") {
				t.Errorf("%s: type %s has the unit %q", at, k.Type, k.Unit)
			}
		}
	}
	if seen < 60 {
		t.Errorf("%d keys; want all of them", seen)
	}
}

// Examples and defaults go through the parser in a file that has just them.
func TestReference_ExamplesAreAccepted(t *testing.T) {
	w := newWorld()
	key, cert := keyPair()
	for _, name := range []string{"SF_CLIENT_SECRET", "SF_ACCESS_TOKEN", "SF_PASSWORD", "KAFKA_TOKEN", "REGISTRY_PASSWORD"} {
		w.env[name] = "x"
	}
	w.env["SF_PRIVATE_KEY"] = key
	for _, name := range []string{"listen_token", "refresh_token", "kafka_password", "registry_token"} {
		w.files["/run/secrets/"+name] = "x"
	}
	w.files["/etc/sfbridge/ca.pem"], w.files["/etc/sfbridge/proxy-ca.pem"], w.files["/etc/sfbridge/client.pem"] = cert, cert, cert
	w.files["/etc/sfbridge/client-key.pem"], w.files["/var/run/secrets/kafka/token"] = key, "x"
	for _, s := range config.Reference() {
		for _, k := range s.Keys {
			if k.Example == "" {
				continue
			}
			path := strings.NewReplacer("<name>", "main", "[]", "").Replace(strings.TrimPrefix(s.Path+"."+k.Name, "."))
			for _, v := range []string{k.Example, k.Default} {
				if _, err := w.parse(nest(path, v)); err != nil && wrong(err, path) {
					t.Errorf("%s: %s: %v", path, v, err)
				}
			}
		}
	}
}

// nest writes a file with one key. Most such files lack something, which does
// not matter here.
func nest(path, value string) string {
	if value == "" {
		return ""
	}
	parts := strings.Split(path, ".")
	text := parts[len(parts)-1] + ": " + value
	for i := len(parts) - 2; i >= 0; i-- {
		if text = "{" + text + "}"; slices.Contains([]string{"capture", "writeback", "publish"}, parts[i]) {
			text = "[" + text + "]"
		}
		text = parts[i] + ": " + text
	}
	return text
}

// wrong tells whether the error is about the value at path, not about its
// company.
func wrong(err error, path string) bool {
	company := regexp.MustCompile(`is missing|does not belong|without|nothing protects|has no effect|beside|in the clear|is not under|is for events|does not serve|empty; start|accept anybody`)
	for line := range strings.Lines(err.Error()) {
		if strings.Contains(strings.NewReplacer("[0]", "", "[1]", "", "[2]", "").Replace(line), ": "+path+": ") && !company.MatchString(line) || strings.Contains(line, "is no YAML") {
			return true
		}
	}
	return false
}
