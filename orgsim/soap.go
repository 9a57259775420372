package orgsim

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// soapRequest is a request of the SOAP API, as far as the org answers it: the
// calls that REST does not have.
type soapRequest struct {
	Session   string        `xml:"Header>SessionHeader>sessionId"`
	Client    string        `xml:"Header>CallOptions>client"`
	AllOrNone bool          `xml:"Header>AllOrNoneHeader>allOrNone"`
	AllowSave bool          `xml:"Header>DuplicateRuleHeader>allowSave"`
	Login     *soapLogin    `xml:"Body>login"`
	Undelete  *soapUndelete `xml:"Body>undelete"`
	Merge     *soapMerge    `xml:"Body>merge"`
}

type soapUndelete struct {
	IDs []string `xml:"ids"`
}

type soapMerge struct {
	Requests []mergeRequest `xml:"request"`       // as the partner WSDL has it
	Others   []mergeRequest `xml:"mergeRequests"` // as jsforce has it
}

type mergeRequest struct {
	Master struct {
		Type   string      `xml:"type"`
		Null   []string    `xml:"fieldsToNull"`
		Fields []soapField `xml:",any"`
	} `xml:"masterRecord"`
	Losers []string `xml:"recordToMergeIds"`
}

type soapField struct {
	XMLName xml.Name
	Text    string `xml:",chardata"`
}

// serveSOAP answers the partner and enterprise APIs.
func (w *web) serveSOAP(rw *logged, r *http.Request) {
	kind, version := soapPath(r.URL.Path)
	if r.Method != http.MethodPost || kind == "" {
		http.Error(rw, "URL No Longer Exists", http.StatusNotFound)
		return
	}
	c := &call{rest: w.rest, w: rw, r: r, ctx: r.Context(), method: r.Method, version: version}
	defer w.rest.running.begin(c)()
	text, err := c.body()
	var in soapRequest
	if err == nil {
		err = decodeSOAP(text, &in)
	}
	switch {
	case err != nil:
		soapFault(rw, "INVALID_TYPE", "the request is no SOAP envelope that can be read")
	case in.Login != nil && len(text) <= maxLoginBytes:
		w.oauth.serveLogin(rw, r, kind, version, *in.Login)
	default:
		c.soap(kind, &in)
	}
}

// soap answers a call that takes a session.
func (c *call) soap(kind string, in *soapRequest) {
	c.token, c.client = strings.TrimSpace(in.Session), in.Client
	c.w.call.Client = in.Client
	err := c.admit()
	if err == nil {
		var handled bool
		if handled, err = c.rest.faults.strike(c); handled && err == nil {
			return
		}
	}
	var body string
	switch {
	case err != nil:
	case in.Undelete != nil:
		body, err = c.soapUndelete(in)
	case in.Merge != nil:
		body, err = c.soapMerge(in)
	default:
		err = badRequest("INVALID_OPERATION", "no operation available for this request: the org knows login, undelete and merge")
	}
	if c.cut {
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		e := asAPIError(err)
		c.w.call.ErrorCode = e.Code
		soapFault(c.w, e.Code, e.Message)
		return
	}
	c.soapAnswer(kind, body)
}

func (c *call) soapAnswer(kind, body string) {
	c.w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	fmt.Fprintf(c.w, `<?xml version="1.0" encoding="UTF-8"?>`+
		`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:%s.soap.sforce.com" `+
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Header><LimitInfoHeader><limitInfo><current>%d</current>`+
		`<limit>%d</limit><type>API REQUESTS</type></limitInfo></LimitInfoHeader></soapenv:Header><soapenv:Body>%s</soapenv:Body></soapenv:Envelope>`,
		kind, c.used, c.rest.cfg.DailyAPILimit, body)
}

func (c *call) soapCaller(in *soapRequest) Caller {
	return Caller{UserID: c.userID, API: "soap", Version: strconv.Itoa(c.version) + ".0", Client: in.Client, AllowDuplicates: in.AllowSave}
}

// soapRows runs n steps in one transaction; they fail alone, or together if so
// asked.
func (c *call) soapRows(in *soapRequest, n int, one func(tx *Tx, i int) (string, error)) ([]string, []error, error) {
	ids, errs := make([]string, n), make([]error, n)
	undone := errors.New("rolled back")
	_, err := c.rest.org.Transact(context.WithoutCancel(c.ctx), c.soapCaller(in), func(tx *Tx) error {
		failed := false
		for i := range n {
			errs[i] = tx.Try(func() (err error) {
				ids[i], err = one(tx, i)
				return err
			})
			failed = failed || errs[i] != nil
		}
		if failed && in.AllOrNone {
			return undone
		}
		return nil
	})
	if !errors.Is(err, undone) {
		return ids, errs, err
	}
	for i := range errs {
		if errs[i] == nil {
			errs[i] = badRequest("ALL_OR_NONE_OPERATION_ROLLED_BACK", "Record rolled back because not all records were valid and the request was using AllOrNone header")
		}
	}
	return ids, errs, nil
}

// soapUndelete answers undelete(): rows come out of the recycle bin (SOAP API
// guide; REST has no such call).
func (c *call) soapUndelete(in *soapRequest) (string, error) {
	given := in.Undelete.IDs
	if len(given) > maxCollection {
		return "", badRequest("EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than 200 records into this operation.")
	}
	ids, errs, err := c.soapRows(in, len(given), func(tx *Tx, i int) (string, error) {
		return given[i], tx.Undelete(strings.TrimSpace(given[i]))
	})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("<undeleteResponse>")
	for i, id := range ids {
		if full, err := ID18(strings.TrimSpace(id)); err == nil {
			id = full
		}
		fmt.Fprintf(&b, "<result>%s<id>%s</id><success>%v</success></result>", soapErrors(errs[i]), html.EscapeString(id), errs[i] == nil)
	}
	return b.String() + "</undeleteResponse>", nil
}

func soapErrors(err error) string {
	if err == nil {
		return ""
	}
	e := asAPIError(err)
	var b strings.Builder
	b.WriteString("<errors>")
	for _, f := range e.Fields {
		b.WriteString("<fields>" + html.EscapeString(f) + "</fields>")
	}
	fmt.Fprintf(&b, "<message>%s</message><statusCode>%s</statusCode></errors>", html.EscapeString(e.Message), e.Code)
	return b.String()
}

// soapMerge answers merge(): the master record takes in up to two others, and
// the values that the request gives it.
func (c *call) soapMerge(in *soapRequest) (string, error) {
	requests := slices.Concat(in.Merge.Requests, in.Merge.Others)
	if len(requests) > maxCollection {
		return "", badRequest("EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than 200 records into this operation.")
	}
	ids, errs, err := c.soapRows(in, len(requests), func(tx *Tx, i int) (string, error) {
		req := &requests[i]
		id, values, err := soapValues(tx, req.Master.Type, req.Master.Fields, req.Master.Null)
		if err == nil {
			err = tx.Merge(id, req.Losers...)
		}
		if err == nil && len(values) > 0 {
			err = tx.Update(id, values)
		}
		return id, err
	})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("<mergeResponse>")
	for i, id := range ids {
		merged := ""
		for _, loser := range requests[i].Losers {
			if errs[i] == nil {
				merged += "<mergedRecordIds>" + html.EscapeString(loser) + "</mergedRecordIds>"
			}
		}
		fmt.Fprintf(&b, "<result>%s<id>%s</id>%s<success>%v</success></result>", soapErrors(errs[i]), html.EscapeString(id), merged, errs[i] == nil)
	}
	return b.String() + "</mergeResponse>", nil
}

// soapValues reads an sObject: its id, and its fields as text. In SOAP an empty
// element is not null; fieldsToNull names what is.
func soapValues(tx *Tx, object string, fields []soapField, null []string) (id string, values map[string]Value, err error) {
	t, err := tx.table(object)
	if err != nil {
		return "", nil, err
	}
	values = map[string]Value{}
	for _, f := range fields {
		name := f.XMLName.Local
		def := t.def.Field(name)
		switch {
		case def == nil:
			return id, nil, badRequest(CodeInvalidField, "No such column '"+name+"' on entity '"+t.def.Name+"'.")
		case def.Type == TypeID:
			id = strings.TrimSpace(f.Text)
		case f.Text != "":
			if values[def.Name], err = def.FromText(f.Text); err != nil {
				return id, nil, err
			}
		}
	}
	for _, name := range null {
		values[name] = Value{}
	}
	return id, values, nil
}
