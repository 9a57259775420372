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

// rowsGC lets the garbage collector come round at half as much again as is in
// use, in place of twice: rows that wait for a bulk job are all in use, so the
// double would be what writeback_memory says twice over.
const rowsGC = 50
