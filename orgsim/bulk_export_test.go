package orgsim

// ReadCSV reads text as the org reads an upload: the fields of every record,
// nil for one that breaks the rules, and whether every line ended as it
// should.
func ReadCSV(text string, delimiter byte, crlf bool) (records [][]string, endings bool) {
	form := csvForm{delimiter: delimiter, crlf: crlf}
	rows, wrong := form.rows(text, 0)
	for _, r := range rows {
		rec := form.read(text[:r.end], r.start, nil)
		if rec.bad != "" {
			rec.fields = nil
		}
		records = append(records, rec.fields)
	}
	return records, !wrong
}

// WriteCSV writes records as the org writes results.
func WriteCSV(records [][]string, delimiter byte, crlf bool) string {
	var out []byte
	for _, rec := range records {
		out = csvForm{delimiter: delimiter, crlf: crlf}.appendRecord(out, rec...)
	}
	return string(out)
}
