package main

import (
	"context"
)

type runCmd struct {
	configFlag
}

func (runCmd) Help() string {
	return `Runs until SIGINT or SIGTERM, then commits what is in hand and leaves. Several processes with the same file share the work.

Example: sfbridge run -c bridge.yaml`
}

func (c *runCmd) Run(ctx context.Context, io streams) error {
	b, err := c.open(io)
	if err != nil {
		return err
	}
	defer b.Close()
	return b.Run(ctx)
}
