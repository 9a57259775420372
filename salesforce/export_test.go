package salesforce

// ReadEnvelope reads a SOAP answer and all that is in it; it tells which
// records succeeded.
func ReadEnvelope(text string) (succeeded []bool, err error) {
	e, err := parseEnvelope([]byte(text))
	if (e == nil) == (err == nil) {
		panic("an envelope and an error, or neither")
	}
	if err != nil {
		return nil, err
	}
	if e.Fault != nil {
		return nil, e.Fault.error("op", 500)
	}
	for i := range e.Results {
		out := e.Results[i].outcome("op", "id")
		succeeded = append(succeeded, out.Err == nil && out.ID != "")
	}
	return succeeded, nil
}
