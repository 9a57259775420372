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
	if len(cfg.Writebacks) > 0 {
		boundMemory(&cfg)
	}
	return b.Run(ctx)
}

// boundMemory makes the garbage collector work harder where rows wait for a bulk
// job: they are all in use, so the usual double would be writeback_memory twice
// over. It comes round at half as much again as is in use, and sooner near a
// limit, which leaves room for what else the program holds. GOGC and GOMEMLIMIT
// have the last word.
func boundMemory(cfg *bridge.Config) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	limit := 64<<20 + cfg.WritebackMemory
	if len(cfg.Captures) > 0 {
		limit += 32<<20 + 2*cfg.Memory
	}
	debug.SetMemoryLimit(limit)
}
