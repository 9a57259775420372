package main

import (
	"context"
	"fmt"

	"sfbridge/bridge"
)

type checkCmd struct {
	configFlag
	Offline bool `help:"Check the file alone; reach nothing."`
}

func (checkCmd) Help() string {
	return `Changes nothing. Exit code 1 if anything fails.

Example: sfbridge check -c bridge.yaml`
}

func (c *checkCmd) Run(ctx context.Context, io streams) error {
	cfg, err := c.load(io)
	if err != nil {
		return err
	}
	fmt.Fprintf(io.out, "ok    %-24s %s\n", "file", c.Config)
	if c.Offline {
		return nil
	}
	b, err := bridge.New(cfg)
	if err != nil {
		return err
	}
	defer b.Close()
	ok := b.Check(ctx, func(f bridge.Finding) {
		if f.Err != nil {
			fmt.Fprintf(io.out, "FAIL  %-24s %s: %v\n", f.Part, f.What, f.Err)
			return
		}
		fmt.Fprintf(io.out, "ok    %-24s %s: %s\n", f.Part, f.What, f.Detail)
	})
	if !ok {
		return errReported
	}
	return nil
}
