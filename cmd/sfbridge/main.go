// Command sfbridge keeps Salesforce orgs and Apache Kafka in step.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"
	"google.golang.org/grpc/grpclog"
)

// cli is the command line; each command lives in a file of its own name.
type cli struct {
	Demo    demoCmd    `cmd:"" help:"Run everything in one process with nothing to install: a simulated org with people at work in it, an embedded Kafka and Schema Registry, and the bridge."`
	Run     runCmd     `cmd:"" help:"Run the bridge."`
	Check   checkCmd   `cmd:"" help:"Reach each side and say, line by line, what works and what to do about what does not."`
	Status  statusCmd  `cmd:"" help:"Show positions, flows, processes, limits and dead letters of a bridge."`
	DLQ     dlqCmd     `cmd:"" name:"dlq" help:"List, show and retry dead letters."`
	Sim     simCmd     `cmd:"" help:"Run a simulated Salesforce org alone."`
	Version versionCmd `cmd:"" help:"Print version, commit and Go version."`
}

// streams are where a command writes; tests put buffers here.
type streams struct{ out, err io.Writer }

// errReported ends the program with code 1 after everything was said already.
var errReported = errors.New("reported")

func main() {
	// gRPC's own log repeats, without names, what the clients report.
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
	os.Exit(run(os.Args[1:], streams{os.Stdout, os.Stderr}))
}

// run parses args and runs the command; it returns the exit code: 0 done, 1
// the command failed, 2 the command line is wrong.
func run(args []string, io streams) (code int) {
	type exit int
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exit: // --help leaves the parser this way
			code = int(r)
		default:
			panic(r)
		}
	}()
	parser, err := kong.New(&cli{},
		kong.Name("sfbridge"),
		kong.Description("sfbridge keeps Salesforce orgs and Apache Kafka in step, in near real time."),
		kong.UsageOnError(), kong.Writers(io.out, io.err), kong.Exit(func(c int) { panic(exit(c)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		fmt.Fprintln(io.err, "sfbridge:", err)
		return 2
	}
	kctx, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintln(io.err, "sfbridge:", err)
		fmt.Fprintln(io.err, "Run sfbridge --help for the commands.")
		return 2
	}
	ctx, stop := signalContext(io.err)
	defer stop()
	kctx.BindTo(ctx, (*context.Context)(nil))
	if err := kctx.Run(io); err != nil {
		if !errors.Is(err, errReported) {
			fmt.Fprintln(io.err, "sfbridge:", err)
		}
		return 1
	}
	return 0
}
