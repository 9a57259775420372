package main

import (
	"fmt"
	"io"
	"log/slog"

	"sfbridge/bridge"
	"sfbridge/config"
)

// configFlag names the file of the commands that have one.
type configFlag struct {
	Config string `short:"c" required:"" type:"path" placeholder:"FILE" help:"Configuration file (docs/configuration.md)."`
}

// load reads the file and reports what is allowed but should be known.
func (f *configFlag) load(io streams) (bridge.Config, error) {
	cfg, err := config.Load(f.Config, config.Options{})
	if err != nil {
		return bridge.Config{}, err
	}
	log, err := newLogger(io.err, cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return bridge.Config{}, err
	}
	for _, w := range cfg.Warnings() {
		log.Warn("configuration", "warning", w.Error())
	}
	return cfg.Bridge(log)
}

// open builds the bridge that the file describes; nothing is reached yet.
func (f *configFlag) open(io streams) (*bridge.Bridge, error) {
	cfg, err := f.load(io)
	if err != nil {
		return nil, err
	}
	return bridge.New(cfg)
}

func newLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	opts := &slog.HandlerOptions{}
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: %w", level, err)
	}
	opts.Level = l
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return slog.New(slog.NewTextHandler(w, opts)), nil
}
