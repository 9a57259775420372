package deploy_test

import (
	"os"
	"testing"

	"sfbridge/config"
)

// TestComposeBridge_IsValid reads the bridge's file as the container would, with the secret where compose mounts it.
func TestComposeBridge_IsValid(t *testing.T) {
	read := func(path string) ([]byte, error) {
		if path == "/run/secrets/listen_token" {
			path = "compose/listen_token"
		}
		return os.ReadFile(path)
	}
	cfg, err := config.Load("compose/bridge.yaml", config.Options{ReadFile: read})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Name != "compose" || len(cfg.Capture) == 0 || len(cfg.Writeback) == 0 {
		t.Errorf("got %q with %d captures and %d writebacks", cfg.Name, len(cfg.Capture), len(cfg.Writeback))
	}
}
