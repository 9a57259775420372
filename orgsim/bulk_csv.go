package orgsim

import "strings"

// csvForm is how a job's CSV is cut: its delimiter and line ending.
type csvForm struct {
	delimiter byte
	crlf      bool
}

// delimiters by their names in job requests (Bulk API 2.0 guide).
var delimiters = map[string]byte{"COMMA": ',', "TAB": '\t', "PIPE": '|', "SEMICOLON": ';', "CARET": '^', "BACKQUOTE": '`'}

// csvRow is where a record stands in an upload.
type csvRow struct{ start, end int }

// csvRecord is one record as it was read.
type csvRecord struct {
	fields      []string
	next        int    // where the one behind it starts
	wrongEnding bool   // its line ends otherwise than the job says
	bad         string // why the record breaks the rules of quoting; empty = it does not
}

// eol gives the length of the line ending that stands at pos: 0, 1 or 2.
func eol(text string, pos int) int {
	switch {
	case pos < len(text) && text[pos] == '\n':
		return 1
	case strings.HasPrefix(text[pos:], "\r\n"):
		return 2
	}
	return 0
}

// read cuts one record out of text, from pos on. Nothing is trimmed. Fields
// are parts of text wherever no quote in them is escaped.
func (f csvForm) read(text string, pos int, fields []string) csvRecord {
	rec := csvRecord{fields: fields[:0]}
	for {
		var value, bad string
		if pos < len(text) && text[pos] == '"' {
			value, bad, pos = f.quoted(text, pos+1)
		} else {
			value, bad, pos = f.plain(text, pos)
		}
		rec.fields = append(rec.fields, value)
		if rec.bad == "" {
			rec.bad = bad
		}
		if pos >= len(text) {
			rec.next = len(text)
			return rec
		}
		if n := eol(text, pos); n > 0 {
			rec.next, rec.wrongEnding = pos+n, (n == 2) != f.crlf
			return rec
		}
		pos++ // the delimiter
	}
}

// plain reads a field without quotes, up to a delimiter or the line's end.
func (f csvForm) plain(text string, pos int) (value, bad string, end int) {
	for end = pos; end < len(text) && text[end] != f.delimiter && eol(text, end) == 0; end++ {
		if text[end] == '"' {
			bad = "quote in a field that does not start with one"
		}
	}
	return text[pos:end], bad, end
}

// quoted reads a field from behind its opening quote.
func (f csvForm) quoted(text string, pos int) (value, bad string, end int) {
	var b strings.Builder // used once a quote is escaped
	for {
		i := strings.IndexByte(text[pos:], '"')
		if i < 0 {
			return text[pos:], "quote that is not closed", len(text)
		}
		part := text[pos : pos+i]
		pos += i + 1
		if pos < len(text) && text[pos] == '"' {
			b.WriteString(part)
			b.WriteByte('"')
			pos++
			continue
		}
		if b.Len() > 0 {
			b.WriteString(part)
			part = b.String()
		}
		_, _, end = f.plain(text, pos)
		if end > pos {
			bad = "text behind a closing quote"
		}
		return part, bad, end
	}
}

// rows finds the records behind the header. Empty lines are none.
func (f csvForm) rows(text string, pos int) (rows []csvRow, wrongEnding bool) {
	var fields []string
	for pos < len(text) {
		if n := eol(text, pos); n > 0 {
			pos += n
			continue
		}
		rec := f.read(text, pos, fields)
		rows = append(rows, csvRow{pos, rec.next})
		wrongEnding = wrongEnding || rec.wrongEnding
		fields, pos = rec.fields, rec.next
	}
	return rows, wrongEnding
}

// appendRecord writes a record as results have them: every value quoted.
func (f csvForm) appendRecord(dst []byte, values ...string) []byte {
	for i, v := range values {
		if i > 0 {
			dst = append(dst, f.delimiter)
		}
		dst = append(dst, '"')
		dst = append(dst, strings.ReplaceAll(v, `"`, `""`)...)
		dst = append(dst, '"')
	}
	if f.crlf {
		dst = append(dst, '\r')
	}
	return append(dst, '\n')
}
