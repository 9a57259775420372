package orgsim

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// minGzip is the size of an answer from which packing pays.
const minGzip = 1024

// json answers with a JSON body.
func (c *call) json(status int, body any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	return c.send(status, bytes.TrimRight(buf.Bytes(), "\n"))
}

// send answers with JSON text, indented and packed as the request likes it.
func (c *call) send(status int, body []byte) error {
	if c.cut {
		panic(http.ErrAbortHandler) // net/http cuts the connection and stays silent
	}
	if c.r.Header.Get("X-PrettyPrint") == "1" {
		var buf bytes.Buffer
		if json.Indent(&buf, body, "", "  ") == nil {
			body = buf.Bytes()
		}
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json;charset=UTF-8")
	h.Set("Cache-Control", "no-cache,must-revalidate,max-age=0,no-store,private")
	if len(body) >= minGzip && strings.Contains(c.r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		h.Set("Vary", "Accept-Encoding")
		c.w.WriteHeader(status)
		zw := gzip.NewWriter(c.w)
		_, err := zw.Write(body)
		return errors.Join(err, zw.Close())
	}
	c.w.WriteHeader(status)
	_, err := c.w.Write(body)
	return err
}

// empty answers without a body: 204 and 304.
func (c *call) empty(status int) error {
	if c.cut {
		panic(http.ErrAbortHandler)
	}
	c.w.WriteHeader(status)
	return nil
}

// body reads the request's body, unpacked.
func (c *call) body() ([]byte, error) {
	var in io.Reader = http.MaxBytesReader(c.w, c.r.Body, maxBodyBytes)
	if strings.EqualFold(c.r.Header.Get("Content-Encoding"), "gzip") {
		zr, err := gzip.NewReader(in)
		if err != nil {
			return nil, badRequest(CodeJSONParserError, "The HTTP entity body is not gzip.")
		}
		in = io.LimitReader(zr, maxBodyBytes+1)
	}
	text, err := io.ReadAll(in)
	if err != nil || len(text) > maxBodyBytes {
		return nil, &apiError{Status: http.StatusRequestEntityTooLarge, Code: "REQUEST_ENTITY_TOO_LARGE", Message: "The HTTP entity body is too large."}
	}
	return text, nil
}

// object reads the body as one JSON object. Numbers stay text.
func (c *call) object() (map[string]any, error) {
	text, err := c.body()
	if err != nil {
		return nil, err
	}
	if kind := c.r.Header.Get("Content-Type"); kind != "" && !strings.Contains(kind, "json") {
		return nil, &apiError{
			Status: http.StatusUnsupportedMediaType, Code: "UNSUPPORTED_MEDIA_TYPE",
			Message: "Unsupported content type: " + kind,
		}
	}
	var out map[string]any
	if err := decodeJSON(text, &out); err != nil || out == nil {
		return nil, jsonError(text, err)
	}
	return out, nil
}

func decodeJSON(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if dec.More() {
		return errors.New("more than one JSON value")
	}
	return nil
}

// jsonError says where JSON text stops making sense.
func jsonError(text []byte, err error) *apiError {
	at := int64(len(text))
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = syntax.Offset
	}
	at = min(at, int64(len(text)))
	line := bytes.Count(text[:at], []byte("\n")) + 1
	col := int(at) - bytes.LastIndexByte(text[:at], '\n')
	return badRequest(CodeJSONParserError, fmt.Sprintf("Unexpected character or end of input; expected a JSON object at [line:%d, column:%d]", line, col))
}

// conditionTime reads a date header; a value that is no date is refused.
func (c *call) conditionTime(header string) (time.Time, bool, error) {
	text := c.r.Header.Get(header)
	if text == "" {
		return time.Time{}, false, nil
	}
	t, err := http.ParseTime(text)
	if err != nil {
		if t, err = time.Parse("Mon, 02 Jan 2006 15:04:05 -0700", text); err != nil {
			return t, false, badRequest("INVALID_CONDITIONAL_VALUE", "The value of "+header+" is no HTTP date.")
		}
	}
	return t, true, nil
}
