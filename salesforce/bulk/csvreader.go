package bulk

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxRecord bounds a record that is read: the API's bound is 400,000
// characters.
const maxRecord = 4 << 20

// maxColumns bounds the values of a record: the API takes 5,000.
const maxColumns = 10_000

// CSVError is CSV that cannot be read.
type CSVError struct {
	Record int // counted from one, the header being the first
	Reason string
}

func (e *CSVError) Error() string { return fmt.Sprintf("CSV record %d: %s", e.Record, e.Reason) }

// Retryable is false: the same bytes stay unreadable.
func (e *CSVError) Retryable() bool { return false }

// Reader reads CSV, record by record. It takes quoted line breaks of any kind
// as they are, ends of line of both kinds, and a byte-order mark in front; it
// refuses stray quotes and text that is not UTF-8, rather than guess. Empty
// lines are skipped.
type Reader struct {
	src     *bufio.Reader
	comma   byte
	records int
	text    []byte // of the record being read, its values joined
	ends    []int  // where in text each value ends
}

// NewReader reads CSV with commas.
func NewReader(r io.Reader) *Reader { return newReader(r, ',') }

func newReader(r io.Reader, comma byte) *Reader {
	return &Reader{src: bufio.NewReaderSize(r, 64<<10), comma: comma}
}

// delimiters are the API's names of what stands between values.
var delimiters = map[string]byte{
	"COMMA": ',', "TAB": '\t', "PIPE": '|', "SEMICOLON": ';', "CARET": '^', "BACKQUOTE": '`',
}

// Read returns the values of the next record, or io.EOF.
func (r *Reader) Read() ([]string, error) {
	if r.records == 0 {
		if mark, _ := r.src.Peek(3); bytes.Equal(mark, []byte("\xEF\xBB\xBF")) {
			_, _ = r.src.Discard(3)
		}
	}
	r.records++
	for {
		blank, err := r.record()
		if err != nil {
			return nil, err
		}
		if !blank {
			break
		}
	}
	text, start := string(r.text), 0
	out := make([]string, len(r.ends))
	for i, end := range r.ends {
		// Value by value: two broken ones may make whole characters together.
		if out[i] = text[start:end]; !utf8.ValidString(out[i]) {
			return nil, r.bad("the text is not UTF-8")
		}
		start = end
	}
	return out, nil
}

func (r *Reader) bad(reason string) error { return &CSVError{Record: r.records, Reason: reason} }

// Where in a value the reader is.
const (
	atStart = iota
	inPlain
	inQuotes
	afterQuote // which ends the value or is the first of two
	afterCR
)

// record reads one record into text and ends, and tells whether it was an
// empty line.
func (r *Reader) record() (blank bool, err error) {
	r.text, r.ends = r.text[:0], r.ends[:0]
	at, quoted := atStart, false
	for {
		ch, err := r.src.ReadByte()
		if err != nil {
			return false, r.atEnd(at, quoted, err)
		}
		switch {
		case at == inQuotes && ch != '"':
			r.text = append(r.text, ch)
		case at == inQuotes:
			at = afterQuote
		case at == afterCR && ch != '\n':
			return false, r.bad("a carriage return stands alone outside of quotes")
		case ch == '\n':
			r.ends = append(r.ends, len(r.text))
			return !quoted && len(r.ends) == 1 && len(r.text) == 0, nil
		case ch == r.comma:
			r.ends = append(r.ends, len(r.text))
			at = atStart
		case ch == '\r':
			at = afterCR
		case ch == '"' && at == atStart:
			at, quoted = inQuotes, true
		case ch == '"' && at == afterQuote:
			r.text = append(r.text, '"')
			at = inQuotes
		case ch == '"' || at == afterQuote:
			return false, r.bad("a quote stands inside of a value, or text after the quote that ends one")
		default:
			r.text = append(r.text, ch)
			at = inPlain
		}
		if len(r.text) > maxRecord || len(r.ends) > maxColumns {
			return false, r.bad("the record is too long")
		}
	}
}

// atEnd ends the last record, which may have no line end.
func (r *Reader) atEnd(at int, quoted bool, err error) error {
	switch {
	case !errors.Is(err, io.EOF):
		return err
	case at == inQuotes:
		return r.bad("the quotes around a value never end")
	case len(r.ends) == 0 && len(r.text) == 0 && !quoted:
		return io.EOF
	}
	r.ends = append(r.ends, len(r.text))
	return nil
}
