package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"sfbridge/config"
)

var update = flag.Bool("update", false, "rewrite "+page)

func TestConfigurationPage_IsWhatTheDecoderKnows(t *testing.T) {
	path := "../../" + page
	want := render()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale: run go test ./internal/docgen -update, and look at the difference", page)
	}
}

func TestConfigurationPage_HasEveryKeyAndLink(t *testing.T) {
	text := string(render())
	for _, s := range config.Reference() {
		for _, k := range s.Keys {
			if !strings.Contains(text, "| `"+k.Name+"` |") {
				t.Errorf("no row for %s of %s", k.Name, s.Path)
			}
		}
	}
	ids := make(map[string]bool)
	for line := range strings.Lines(text) {
		if h, ok := strings.CutPrefix(line, "## "); ok {
			h = strings.ToLower(strings.TrimSpace(h))
			ids[strings.NewReplacer("`", "", ".", "", "<", "", ">", "", "[", "", "]", "", " ", "-").Replace(h)] = true
		}
	}
	for _, part := range strings.Split(text, "](#")[1:] {
		if id, _, _ := strings.Cut(part, ")"); !ids[id] {
			t.Errorf("link to #%s, which is no heading", id)
		}
	}
}
