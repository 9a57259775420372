package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set at build time: -ldflags "-X main.version=v1.2.3".
var version = "dev"

type versionCmd struct{}

func (versionCmd) Help() string { return "Example: sfbridge version" }

func (versionCmd) Run(io streams) error {
	commit, dirty := "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				dirty = " with local changes"
			}
		}
	}
	_, err := fmt.Fprintf(io.out, "sfbridge %s, commit %s%s, %s\n", version, commit, dirty, runtime.Version())
	return err
}
