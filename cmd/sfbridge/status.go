package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"sfbridge/bridge"
)

type statusCmd struct {
	configFlag
	JSON bool `help:"Print one JSON object."`
}

func (statusCmd) Help() string {
	return `Reads what the bridge has committed; works whether or not a process runs.

Example: sfbridge status -c bridge.yaml --json`
}

func (c *statusCmd) Run(ctx context.Context, io streams) error {
	b, err := c.open(io)
	if err != nil {
		return err
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	st, err := b.Status(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(io.out).Encode(st)
	}
	return printStatus(io.out, st)
}

func printStatus(w io.Writer, st *bridge.Status) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	if len(st.Channels) > 0 {
		printChannels(t, st)
	}
	if len(st.Flows) > 0 {
		printFlows(t, st)
	}
	for _, l := range st.Limits {
		fmt.Fprintf(t, "%s %s\t%d of %d left\n", l.Org, l.Name, l.Remaining, l.Max)
	}
	if n := st.DeadLettersOpen; n != nil {
		fmt.Fprintf(t, "dead letters\t%d open (sfbridge dlq list)\n", *n)
	} else {
		fmt.Fprintf(t, "dead letters\tat most %d (sfbridge dlq list)\n", st.DeadLetters)
	}
	for _, p := range st.Problems {
		fmt.Fprintf(t, "not known\t%s\n", p)
	}
	return t.Flush()
}

func printChannels(t io.Writer, st *bridge.Status) {
	fmt.Fprintln(t, "CHANNEL\tLAST CHANGE\tPOSITION TAKEN\tWINDOW LEFT\tEVENTS\tRECORDS\tREPLAY ID")
	for _, ch := range st.Channels {
		if !ch.Known {
			fmt.Fprintf(t, "%s%s\tnever committed\n", ch.Org, ch.Channel)
			continue
		}
		left := time.Duration(ch.WindowRemaining * float64(time.Second)).Round(time.Minute)
		fmt.Fprintf(t, "%s%s\t%s\t%s\t%s\t%d\t%d\t%s\n", ch.Org, ch.Channel, ago(st.At, ch.LastCommit),
			ago(st.At, ch.PositionAt), left, ch.Events, ch.Records, ch.ReplayID)
	}
	fmt.Fprintln(t, "\nPROCESS\tPID\tSTARTED\tLANES")
	for _, m := range st.Members {
		other := ""
		if !m.Same {
			other = "\tANOTHER CONFIGURATION"
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%v%s\n", m.Host, m.PID, ago(st.At, m.Started), m.Lanes, other)
	}
	fmt.Fprintln(t)
}

func printFlows(t io.Writer, st *bridge.Status) {
	fmt.Fprintln(t, "FLOW\tKIND\tWAITING AT MOST\tPROCESSES\tGROUP")
	for _, f := range st.Flows {
		waiting := fmt.Sprintf("%d records", f.Lag)
		if !f.Started {
			waiting += ", never committed"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\n", f.Flow, f.Kind, waiting, f.Processes, f.Group)
	}
	fmt.Fprintln(t)
}

func ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return now.Sub(t).Round(time.Second).String() + " ago"
}
