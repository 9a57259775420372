package main

import (
	"context"
	"os"
	"runtime/debug"

	"sfbridge/bridge"
)

type runCmd struct {
	configFlag
}

func (runCmd) Help() string {
	return `Runs until SIGINT or SIGTERM, then commits what is in hand and leaves. Several processes with the same file share the work.

Example: sfbridge run -c bridge.yaml`
}

func (c *runCmd) Run(ctx context.Context, io streams) error {
	cfg, err := c.load(io)
	if err != nil {
		return err
	}
	b, err := bridge.New(cfg)
	if err != nil {
		return err
	}
	defer b.Close()
	if len(cfg.Writebacks) > 0 && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(rowsGC)
	}
	return b.Run(ctx)
}

// rowsGC lets the garbage collector come round when a third more than what is
// in use has come together, in place of twice as much: rows that wait for a bulk
// job are all in use, so the usual would be writeback_memory twice over.
const rowsGC = 33
