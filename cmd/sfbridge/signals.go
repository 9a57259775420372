package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// echo is how soon after the first a second signal is taken for the same one:
// a terminal and a wrapper such as timeout both pass it on.
const echo = 500 * time.Millisecond

// signalContext ends with the first SIGINT or SIGTERM, so that the command can
// leave in order. A second signal ends the process at once; what was not
// committed is read again from the org at the next start.
func signalContext(errw io.Writer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	sigs := make(chan os.Signal, 2)
	signal.Notify(sigs, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-sigs:
		case <-ctx.Done():
			return
		}
		fmt.Fprintln(errw, "sfbridge: leaving in order; a second signal ends it at once")
		cancel()
		for first := time.Now(); time.Since(first) < echo; {
			<-sigs
		}
		fmt.Fprintln(errw, "sfbridge: ended at once; events that were not committed are read again at the next start")
		os.Exit(130)
	}()
	return ctx, func() { signal.Stop(sigs); cancel() }
}
