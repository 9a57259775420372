package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"sfbridge/salesforce"
)

// null is the cell that clears a field (Bulk API 2.0 guide, "Valid CSV Record
// Rows").
const null = "#N/A"

// Bounds of the CSV that a job takes, in characters.
const (
	maxValueChars  = 131_072
	maxRecordChars = 400_000
	maxHeaderChars = 32_000
	maxFields      = 5_000
)

// ErrFull says that a record does not fit into a job's data any more. It was
// not written: begin the next job with it.
var ErrFull = errors.New("the job's data is full")

// Writer writes records as CSV. Each record is one write to what lies below.
type Writer struct {
	dst     io.Writer
	columns []string
	limit   int64
	size    int64
	rows    int
	line    []byte
	header  bool // written
}

// columnForm: a field, Parent__r.Key__c, or Object:Parent__r.Key__c.
var columnForm = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_]*:)?[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)?$`)

// NewWriter returns a writer of at most limit bytes, MaxUpload if it is 0. The
// header goes out with the first record. See Columns for their names.
func NewWriter(dst io.Writer, columns []string, limit int64) (*Writer, error) {
	if limit <= 0 {
		limit = MaxUpload
	}
	if len(columns) == 0 || len(columns) > maxFields || len(strings.Join(columns, ",")) > maxHeaderChars {
		return nil, fmt.Errorf("write CSV: %d columns; want 1 to %d, with names of %d characters in all", len(columns), maxFields, maxHeaderChars)
	}
	seen := map[string]bool{}
	for _, name := range columns {
		if !columnForm.MatchString(name) {
			return nil, fmt.Errorf("write CSV: column %q is not the name of a field", name)
		}
		if seen[strings.ToLower(name)] {
			return nil, fmt.Errorf("write CSV: column %s is there twice", name)
		}
		seen[strings.ToLower(name)] = true
	}
	return &Writer{dst: dst, columns: slices.Clone(columns), limit: limit}, nil
}

// Rows is how many records were written.
func (w *Writer) Rows() int { return w.rows }

// Size is how many bytes were written.
func (w *Writer) Size() int64 { return w.size }

// Write writes a record. What the record does not have is left empty; nil, and
// "" which the REST API stores as null too, become #N/A. It returns a
// *salesforce.ValueError for what CSV cannot say, and ErrFull.
func (w *Writer) Write(rec salesforce.Record) error {
	line := w.line[:0]
	if !w.header {
		line = append(append(line, strings.Join(w.columns, ",")...), '\n')
	}
	before := len(line)
	line, err := w.append(line, rec)
	w.line = line
	switch {
	case err != nil:
		return err
	case len(line)-before > maxRecordChars && salesforce.TextLength(string(line[before:])) > maxRecordChars:
		return w.bad("-", fmt.Sprintf("the record is longer than %d characters", maxRecordChars))
	case w.size+int64(len(line)) > w.limit && w.rows == 0:
		return w.bad("-", "the record alone is longer than a job's data may be")
	case w.size+int64(len(line)) > w.limit:
		return ErrFull
	}
	n, err := w.dst.Write(line)
	w.size += int64(n)
	if err != nil {
		return err
	}
	w.header = true
	w.rows++
	return nil
}

func (w *Writer) bad(field, reason string) error {
	return &salesforce.ValueError{Index: w.rows, Field: field, Reason: reason}
}

// append appends the record's line. Every field must have its column, so that
// none is lost in silence.
func (w *Writer) append(line []byte, rec salesforce.Record) ([]byte, error) {
	flat := flatten(rec)
	found := 0
	for i, column := range w.columns {
		if i > 0 {
			line = append(line, ',')
		}
		v, ok := flat[column]
		if !ok {
			if len(w.columns) == 1 {
				line = append(line, `""`...) // or the line would be empty
			}
			continue
		}
		found++
		var err error
		if line, err = w.cell(line, column, v); err != nil {
			return line, err
		}
	}
	if found < len(flat) {
		for _, name := range slices.Sorted(maps.Keys(flat)) {
			if !slices.Contains(w.columns, name) {
				return line, w.bad(name, "there is no column of this name")
			}
		}
	}
	return append(line, '\n'), nil
}

func (w *Writer) cell(line []byte, column string, v any) ([]byte, error) {
	if v == nil || v == "" {
		return append(line, null...), nil
	}
	text, err := salesforce.Text(v)
	switch {
	case err != nil:
		return line, w.bad(column, err.Error())
	case text == null:
		return line, w.bad(column, "the text "+null+" cannot be told from null in CSV: send the record by REST")
	case len(text) > maxValueChars && salesforce.TextLength(text) > maxValueChars:
		return line, w.bad(column, fmt.Sprintf("the text is longer than %d characters", maxValueChars))
	}
	return appendCell(line, text), nil
}

// appendCell quotes what needs it. Line breaks become LF, as the job says:
// others were reported to fail the whole job, quoted or not.
func appendCell(line []byte, text string) []byte {
	if !strings.ContainsAny(text, ",\"\r\n") && text[0] != ' ' && text[len(text)-1] != ' ' {
		return append(line, text...)
	}
	line = append(line, '"')
	for i := range len(text) {
		switch ch := text[i]; {
		case ch == '"':
			line = append(line, '"', '"')
		case ch == '\r' && i+1 < len(text) && text[i+1] == '\n': // the LF follows
		case ch == '\r':
			line = append(line, '\n')
		default:
			line = append(line, ch)
		}
	}
	return append(line, '"')
}

// flatten names the fields of parents as columns do: {"Account": {"Key__c":
// 7}} is Account.Key__c. A parent with attributes.type is one of a polymorphic
// field: Lead:Who.Email.
func flatten(rec salesforce.Record) salesforce.Record {
	nested := false
	for name, v := range rec {
		_, one := parent(v)
		nested = nested || one || name == "attributes"
	}
	if !nested {
		return rec
	}
	flat := make(salesforce.Record, len(rec))
	for name, v := range rec {
		fields, one := parent(v)
		switch {
		case name == "attributes":
		case !one:
			flat[name] = v
		default:
			if attributes, ok := parent(fields["attributes"]); ok {
				if object, ok := attributes["type"].(string); ok {
					name = object + ":" + name
				}
			}
			for key, v := range fields {
				if key != "attributes" {
					flat[name+"."+key] = v
				}
			}
		}
	}
	return flat
}

func parent(v any) (map[string]any, bool) {
	switch v := v.(type) {
	case map[string]any:
		return v, true
	case salesforce.Record:
		return v, true
	}
	return nil, false
}

// Columns are the columns that records need: all fields of all of them, since
// one record may have what another does not, in the order of their names.
func Columns(recs []salesforce.Record) []string {
	names := map[string]bool{}
	for _, rec := range recs {
		for name := range flatten(rec) {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Fit tells how many of the records go into one job of at most limit bytes,
// MaxUpload if it is 0. It returns a *salesforce.ValueError with the Index of
// the first record that cannot be written; n is then how many are before it.
func Fit(columns []string, recs []salesforce.Record, limit int64) (n int, err error) {
	w, err := NewWriter(io.Discard, columns, limit)
	if err != nil {
		return 0, err
	}
	for _, rec := range recs {
		if err := w.Write(rec); errors.Is(err, ErrFull) {
			break
		} else if err != nil {
			return w.Rows(), err
		}
	}
	return w.Rows(), nil
}

// Records is a source that writes the records as they are read. Do not change
// them before the upload is done.
func Records(columns []string, recs []salesforce.Record) Source {
	return func() (io.ReadCloser, error) {
		r := &recordReader{recs: recs}
		var err error
		r.w, err = NewWriter(&r.buf, columns, 0)
		return r, err
	}
}

type recordReader struct {
	w    *Writer
	buf  bytes.Buffer
	recs []salesforce.Record // not yet written
}

func (r *recordReader) Read(p []byte) (int, error) {
	for r.buf.Len() < len(p) && len(r.recs) > 0 {
		if err := r.w.Write(r.recs[0]); err != nil {
			return 0, err
		}
		r.recs = r.recs[1:]
	}
	return r.buf.Read(p)
}

// Close is for io.ReadCloser.
func (r *recordReader) Close() error { return nil }
