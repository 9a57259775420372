package config_test

import (
	"os"
	"regexp"
	"testing"

	"sfbridge/config"
)

// Files that people copy are accepted as they stand.
func TestFilesToCopy_AreAccepted(t *testing.T) {
	key, cert := keyPair()
	opts := config.Options{
		Env:      func(string) (string, bool) { return "from-the-environment", true },
		ReadFile: func(string) ([]byte, error) { return []byte(key + cert), nil },
	}
	block := regexp.MustCompile("(?ms)^```yaml\n(name: .*?)^```$")
	for _, path := range []string{"../README.md", "../docs/configuration.md", "../deploy/compose/bridge.yaml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found := [][][]byte{{nil, text}}
		if block.Match(text) {
			found = block.FindAllSubmatch(text, -1)
		}
		for _, m := range found {
			if _, err := config.Parse(path, m[1], opts); err != nil {
				t.Errorf("%s: %v\nin\n%s", path, err, numbered(string(m[1])))
			}
		}
	}
}
