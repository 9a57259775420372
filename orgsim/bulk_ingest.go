package orgsim

import (
	"compress/gzip"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
)

// maxMultipart is the most data that a job may bring along when it is made.
const maxMultipart = 100_000

// ingestRequest is the body that makes an ingest job.
type ingestRequest struct {
	Object              string `json:"object"`
	Operation           string `json:"operation"`
	ExternalIDFieldName string `json:"externalIdFieldName"`
	ContentType         string `json:"contentType"`
	LineEnding          string `json:"lineEnding"`
	ColumnDelimiter     string `json:"columnDelimiter"`
}

// createIngestJob makes a job, from JSON, or from a form that brings its data
// along.
func (c *call) createIngestJob() error {
	kind, params, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	text, err := c.body()
	if err != nil {
		return err
	}
	data := ""
	if kind == "multipart/form-data" {
		if text, data, err = splitForm(text, params["boundary"]); err != nil {
			return err
		}
	}
	var in ingestRequest
	if err := decodeJSON(text, &in); err != nil {
		return jsonError(text, err)
	}
	j, err := c.ingestJob(in)
	if err != nil {
		return err
	}
	j.data, j.uploaded = data, kind == "multipart/form-data"
	b := c.rest.bulk
	b.mu.Lock()
	if err = b.add(j); err == nil && j.uploaded {
		b.enqueue(j)
	}
	info := j.info(false)
	b.mu.Unlock()
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, info)
}

// splitForm gives the parts job and content of a form.
func splitForm(body []byte, boundary string) (job []byte, content string, err error) {
	form, err := multipart.NewReader(strings.NewReader(string(body)), boundary).ReadForm(maxBodyBytes)
	if err != nil {
		return nil, "", badRequest("INVALIDJOB", "InvalidJob : The form cannot be read.")
	}
	part := func(name string) (string, error) {
		if v := form.Value[name]; len(v) > 0 {
			return v[0], nil
		}
		if len(form.File[name]) == 0 {
			return "", badRequest("INVALIDJOB", "InvalidJob : The form has no part "+name+".")
		}
		f, err := form.File[name][0].Open()
		if err != nil {
			return "", err
		}
		defer f.Close()
		text, err := io.ReadAll(f)
		return string(text), err
	}
	text, err := part("job")
	if err == nil {
		content, err = part("content")
	}
	if err == nil && len(content) > maxMultipart {
		err = badRequest("INVALIDJOB", "InvalidJob : The content of a multipart request can have 100000 characters.")
	}
	return []byte(text), content, err
}

// ingestJob checks a request for a job.
func (c *call) ingestJob(in ingestRequest) (*bulkJob, error) {
	j := &bulkJob{kind: "ingest", operation: in.Operation, state: jobOpen}
	if err := c.shape(j, in.ContentType, in.LineEnding, in.ColumnDelimiter); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"insert", "update", "upsert", "delete", "hardDelete"}, in.Operation) {
		return nil, badRequest("INVALIDJOB", "InvalidJob : Unknown operation: "+in.Operation)
	}
	if in.Operation == "hardDelete" && c.rest.bulk.cfg.NoHardDelete {
		return nil, badRequest("FEATURENOTENABLED", "FeatureNotEnabled : hardDelete operation requires special user profile permission, please contact your system administrator")
	}
	j.def = c.rest.org.Object(in.Object)
	if j.def == nil || c.access.forbids(j.def.Name) {
		return nil, badRequest("INVALIDJOB", "InvalidJob : Unable to find object: "+in.Object)
	}
	if j.def.Event {
		return nil, errEntity(in.Object)
	}
	if in.Operation != "upsert" {
		return j, nil
	}
	j.key = j.def.Field(in.ExternalIDFieldName)
	if j.key == nil || !j.key.IDLookup() || c.access.hides(j.def.Name, j.key.Name) {
		return nil, badRequest("INVALIDJOB", "InvalidJob : Field name provided, "+in.ExternalIDFieldName+
			" does not match an External ID, Salesforce Id, or indexed field for "+j.def.Name)
	}
	return j, nil
}

func errEntity(object string) *apiError {
	return badRequest("INVALIDENTITY", "Entity '"+object+"' is not supported by the Bulk API.")
}

// shape sets what both kinds of jobs have: CSV form and caller.
func (c *call) shape(j *bulkJob, contentType, ending, delimiter string) error {
	if contentType != "" && contentType != "CSV" {
		return badRequest("INVALIDJOB", "InvalidJob : Content type "+contentType+" is not supported.")
	}
	if ending != "" && ending != "LF" && ending != "CRLF" {
		return badRequest("INVALIDJOB", "InvalidJob : Line ending "+ending+" is not supported.")
	}
	if delimiter == "" {
		delimiter = "COMMA"
	}
	if delimiters[delimiter] == 0 {
		return badRequest("INVALIDJOB", "InvalidJob : Column delimiter "+delimiter+" is not supported.")
	}
	j.delimiter, j.form = delimiter, csvForm{delimiter: delimiters[delimiter], crlf: ending == "CRLF"}
	j.caller = c.caller()
	j.caller.API, j.caller.AllowDuplicates = "bulkapi", false // the header is one of REST and SOAP
	j.call = &call{rest: c.rest, version: c.version, base: c.base, userID: c.userID, access: c.access}
	return nil
}

// ingestCall is what stands below an ingest job; names go without case.
func (c *call) ingestCall(j *bulkJob, name string) error {
	switch name {
	case "batches":
		return c.upload(j)
	case "successfulresults", "failedresults", "unprocessedrecords":
		return c.ingestResults(j, name)
	}
	return errNotFound()
}

// upload takes a job's data, in one piece.
func (c *call) upload(j *bulkJob) error {
	if err := c.allow(http.MethodPut); err != nil {
		return err
	}
	if kind, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type")); kind != "text/csv" {
		return &apiError{Status: http.StatusUnsupportedMediaType, Code: "UNSUPPORTED_MEDIA_TYPE", Message: "The data of a job must be text/csv."}
	}
	b := c.rest.bulk
	check := func() error { // with mu held
		if j.state != jobOpen {
			return errJobState("InvalidJobState : Uploading data to a job with state " + string(j.state) + " is not allowed.")
		}
		if j.uploaded {
			return errJobState("Found multiple contents for job: " + j.id + ". Data can be uploaded once; abort or delete the job and make another.")
		}
		return nil
	}
	b.mu.Lock()
	err := check()
	b.mu.Unlock()
	if err != nil {
		return err
	}
	data, err := c.csvBody(b.cfg.MaxUpload)
	if err != nil {
		return err
	}
	b.mu.Lock()
	if err = check(); err == nil {
		err = b.makeRoom(0, len(data))
	}
	if err == nil {
		j.data, j.uploaded = data, true
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	return c.empty(http.StatusCreated)
}

// csvBody reads an upload of limited size, unpacked.
func (c *call) csvBody(limit int) (string, error) {
	var in io.Reader = c.r.Body
	if strings.EqualFold(c.r.Header.Get("Content-Encoding"), "gzip") {
		zr, err := gzip.NewReader(in)
		if err != nil {
			return "", badRequest("CLIENTINPUTERROR", "ClientInputError : The data is not gzip.")
		}
		in = zr
	}
	var b strings.Builder
	n, err := io.Copy(&b, io.LimitReader(in, int64(limit)+1))
	if err != nil {
		return "", badRequest("CLIENTINPUTERROR", "ClientInputError : The data cannot be read.")
	}
	if n > int64(limit) {
		return "", &apiError{Status: http.StatusRequestEntityTooLarge, Code: "REQUEST_ENTITY_TOO_LARGE", Message: "The data of a job is limited to 150 MB in base64."}
	}
	return b.String(), nil
}
