package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"sfbridge/bridge"
)

type dlqCmd struct {
	List  dlqListCmd  `cmd:"" help:"List dead letters, oldest first."`
	Show  dlqShowCmd  `cmd:"" help:"Show one dead letter with the record that it was made of."`
	Retry dlqRetryCmd `cmd:"" help:"Send records of dead letters to Salesforce again."`
}

// letterFilter are the flags that choose dead letters.
type letterFilter struct {
	Reason []string `placeholder:"REASON" help:"Only letters with this reason; may be given several times."`
	Kind   []string `placeholder:"KIND" enum:"capture,writeback,publish,unknown" help:"Only letters of this kind: capture, writeback, publish; may be given several times."`
	Since  moment   `placeholder:"WHEN" help:"Only letters written since then: 2h for two hours ago, 2026-11-25, or 2026-11-25T08:00:00Z."`
	Until  moment   `placeholder:"WHEN" help:"Only letters written before then."`
	Flow   string   `placeholder:"FLOW" help:"Only letters of this flow: TOPIC/ORG/OBJECT, or ORG/CHANNEL of capture."`
	Topic  string   `placeholder:"TOPIC" help:"Only letters of records of this source topic."`
}

func (f *letterFilter) filter() bridge.LetterFilter {
	return bridge.LetterFilter{
		Reasons: f.Reason, Kinds: f.Kind, Flow: f.Flow, Topic: f.Topic, Since: time.Time(f.Since), Until: time.Time(f.Until),
	}
}

// moment is a point in time on the command line.
type moment time.Time

// UnmarshalText reads a date, a time, or a duration before now.
func (m *moment) UnmarshalText(text []byte) error {
	s := string(text)
	if d, err := time.ParseDuration(s); err == nil {
		*m = moment(time.Now().Add(-d.Abs()))
		return nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(form, s, time.Local); err == nil {
			*m = moment(t)
			return nil
		}
	}
	return fmt.Errorf("%q is no time: write 2h for two hours ago, 2026-11-25, or 2026-11-25T08:00:00Z", s)
}

type dlqListCmd struct {
	configFlag
	letterFilter
	Open  bool `help:"Only letters that were not retried."`
	Limit int  `default:"100" help:"The newest so many; 0 for all."`
	JSON  bool `help:"Print one JSON object a line."`
}

func (dlqListCmd) Help() string {
	return `Example: sfbridge dlq list -c bridge.yaml --reason validation --since 24h`
}

func (c *dlqListCmd) Run(ctx context.Context, io streams) error {
	b, err := c.open(io)
	if err != nil {
		return err
	}
	defer b.Close()
	f := c.filter()
	if c.Open {
		f.State = bridge.LetterOpen
	}
	found, all, err := b.Letters(ctx, f, c.Limit)
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(io.out)
		for i := range found {
			if err := enc.Encode(&found[i]); err != nil {
				return err
			}
		}
		return nil
	}
	return printLetters(io.out, found, all)
}

func printLetters(w io.Writer, found []bridge.LetterInfo, all int) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	if len(found) > 0 {
		fmt.Fprintln(t, "LETTER\tWRITTEN\tSTATE\tREASON\tFLOW\tROW\tERROR")
	}
	for i := range found {
		l := &found[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.ID, l.Time.UTC().Format(time.RFC3339), l.State, l.Reason,
			flowOf(l), oneLine(l.Row, 40), oneLine(l.Error, 100))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	text := fmt.Sprintf("%d dead letters", all)
	if all > len(found) {
		text += fmt.Sprintf("; the newest %d are shown, --limit 0 shows all", len(found))
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// flowOf is what a filter would call the letter's flow.
func flowOf(l *bridge.LetterInfo) string {
	if l.Flow != "" {
		return l.Flow
	}
	return l.Org + l.Channel
}

// oneLine makes a text fit into a table, and harmless for a terminal.
func oneLine(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if r := []rune(s); len(r) > most {
		s = string(r[:most-3]) + "..."
	}
	return s
}

type dlqShowCmd struct {
	configFlag
	Letter string `arg:"" placeholder:"PARTITION/OFFSET" help:"The letter, as dlq list names it."`
	JSON   bool   `help:"Print one JSON object."`
}

func (dlqShowCmd) Help() string {
	return `Example: sfbridge dlq show -c bridge.yaml 2/107`
}

func (c *dlqShowCmd) Run(ctx context.Context, io streams) error {
	id, err := bridge.ParseLetterID(c.Letter)
	if err != nil {
		return err
	}
	b, err := c.open(io)
	if err != nil {
		return err
	}
	defer b.Close()
	l, err := b.Letter(ctx, id)
	if err != nil {
		return err
	}
	if c.JSON {
		if !json.Valid(l.Letter) {
			l.Letter, _ = json.Marshal(string(l.Letter))
		}
		return json.NewEncoder(io.out).Encode(l)
	}
	return printLetter(io.out, l)
}

func printLetter(w io.Writer, l *bridge.LetterRecord) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, oneLine(value, 1000))
		}
	}
	state := l.State
	if !l.RetriedAt.IsZero() {
		state += " at " + l.RetriedAt.UTC().Format(time.RFC3339)
	}
	line("letter", l.ID.String())
	line("state", state)
	line("kind", l.Kind)
	line("written", l.Time.UTC().Format(time.RFC3339Nano))
	line("flow", flowOf(&l.LetterInfo))
	line("reason", l.Reason)
	line("error", l.Error)
	line("code", l.Code)
	line("fields", strings.Join(l.Fields, ", "))
	line("row", l.Row)
	if l.Attempts > 0 {
		line("attempts", fmt.Sprint(l.Attempts))
	}
	line("replay id", l.ReplayID)
	if s := l.Source; s != nil {
		line("source", fmt.Sprintf("%s/%d/%d, written %s", s.Topic, s.Partition, s.Offset, s.Time.UTC().Format(time.RFC3339Nano)))
	}
	line("retry of", l.RetryOf)
	if l.Key != nil {
		line("key", printable(l.Key))
	}
	for _, h := range l.Headers {
		line("header "+h.Key, printable(h.Value))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return printValue(w, l)
}

// printValue writes the record's value: as it was decoded, and its bytes.
func printValue(w io.Writer, l *bridge.LetterRecord) error {
	var err error
	switch {
	case l.Missing != "":
		_, err = fmt.Fprintln(w, "\nno value:", l.Missing)
	case l.Value == nil:
		_, err = fmt.Fprintln(w, "\nno value: a tombstone")
	case utf8.Valid(l.Value):
		_, err = fmt.Fprintf(w, "\nvalue, %d bytes:\n%s\n", len(l.Value), visible(string(l.Value)))
	default:
		_, err = fmt.Fprintf(w, "\nvalue, %d bytes in hexadecimal:\n%x\n", len(l.Value), l.Value)
		if decoded, jerr := json.MarshalIndent(l.Decoded, "", "  "); err == nil && jerr == nil && l.Decoded != nil {
			_, err = fmt.Fprintf(w, "\nvalue, decoded:\n%s\n", decoded)
		}
	}
	return err
}

// printable writes bytes as text, or in hexadecimal if they are none.
func printable(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return fmt.Sprintf("0x%x", b)
}

// visible keeps line breaks and tabs, and drops what could steer a terminal.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return utf8.RuneError
		}
		return r
	}, s)
}

type dlqRetryCmd struct {
	configFlag
	letterFilter
	Letters []string `arg:"" optional:"" placeholder:"PARTITION/OFFSET" help:"Letters by name; without any, all open ones that the filters choose."`
	Limit   int      `help:"The oldest so many; 0 for all."`
	Force   bool     `help:"Apply records even where a newer one of the same key came meanwhile."`
	DryRun  bool     `help:"Say what would be sent, and send nothing."`
	JSON    bool     `help:"Print one JSON object."`
}

func (dlqRetryCmd) Help() string {
	return `Records go the way of all others, in the order that they had in their topic. One that has been overtaken by a newer record of the same key is skipped, and the results topic says so. A letter is retried once: a record that fails again makes a new one. Works whether or not the bridge runs.

Example: sfbridge dlq retry -c bridge.yaml --reason validation --since 24h --dry-run

Example: sfbridge dlq retry -c bridge.yaml 2/107 0/9`
}

func (c *dlqRetryCmd) Run(ctx context.Context, io streams) error {
	req := bridge.RetryRequest{Filter: c.filter(), Limit: c.Limit, Force: c.Force, DryRun: c.DryRun}
	for _, text := range c.Letters {
		id, err := bridge.ParseLetterID(text)
		if err != nil {
			return err
		}
		req.Filter.IDs = append(req.Filter.IDs, id)
	}
	b, err := c.open(io)
	if err != nil {
		return err
	}
	defer b.Close()
	report, err := b.Retry(ctx, req)
	if perr := c.print(io.out, report); perr != nil && err == nil {
		err = perr
	}
	if err == nil && len(c.Letters) > 0 && len(report.LeftOut) > 0 {
		return errReported // a letter was asked for by name and not sent
	}
	return err
}

func (c *dlqRetryCmd) print(w io.Writer, r *bridge.RetryReport) error {
	if c.JSON {
		return json.NewEncoder(w).Encode(r)
	}
	did := "sent again"
	if c.DryRun {
		did = "would be sent again"
	}
	for _, l := range r.Retried {
		fmt.Fprintf(w, "%-10s %s: %s to %s\n", l.ID, did, l.Record, l.Flow)
	}
	for _, l := range r.LeftOut {
		fmt.Fprintf(w, "%-10s left out: %s\n", l.ID, l.Why)
	}
	_, err := fmt.Fprintf(w, "%d dead letters %s, %d left out\n", len(r.Retried), did, len(r.LeftOut))
	return err
}
