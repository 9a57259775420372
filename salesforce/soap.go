package salesforce

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// What SOAP's Partner API calls its parts (SOAP API guide, partner WSDL).
const (
	nsEnvelope = "http://schemas.xmlsoap.org/soap/envelope/"
	nsPartner  = "urn:partner.soap.sforce.com"
)

// maxDepth bounds how deep the elements of an answer may lie in one another;
// those that are read lie five deep.
const maxDepth = 16

// envelope is an answer of the SOAP API: results, or a fault.
type envelope struct {
	XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
	Limits  []struct {
		Current int64  `xml:"current"`
		Limit   int64  `xml:"limit"`
		Type    string `xml:"type"`
	} `xml:"Header>LimitInfoHeader>limitInfo"`
	Fault   *soapFault   `xml:"Body>Fault"`
	Results []soapResult `xml:"Body>undeleteResponse>result"`
}

type soapFault struct {
	Code   string `xml:"faultcode"` // sf:INVALID_SESSION_ID, soapenv:Client
	Text   string `xml:"faultstring"`
	Detail struct {
		Any []struct {
			Code    string `xml:"exceptionCode"`
			Message string `xml:"exceptionMessage"`
		} `xml:",any"`
	} `xml:"detail"`
}

// soapResult is what became of one record.
type soapResult struct {
	ID      string `xml:"id"`
	Success bool   `xml:"success"`
	Errors  []struct {
		Code    string   `xml:"statusCode"`
		Message string   `xml:"message"`
		Fields  []string `xml:"fields"`
	} `xml:"errors"`
}

// parseEnvelope reads an answer. Document types are refused, and with them
// every entity but the five of XML itself; encodings other than UTF-8 are too.
func parseEnvelope(text []byte) (*envelope, error) {
	if err := checkXML(text); err != nil {
		return nil, err
	}
	var e envelope
	d := xml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&e); err != nil {
		return nil, err
	}
	return &e, nil
}

// checkXML walks through a document before anything believes it.
func checkXML(text []byte) error {
	d := xml.NewDecoder(bytes.NewReader(text))
	for depth, roots := 0, 0; ; {
		tok, err := d.Token()
		switch tok := tok.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			if depth++; depth > maxDepth {
				return fmt.Errorf("elements lie more than %d deep", maxDepth)
			}
		case xml.EndElement:
			depth--
		case xml.Directive:
			return errors.New("a document type is not allowed")
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(tok)) > 0 {
				return errors.New("text outside of the document")
			}
		}
		switch {
		case errors.Is(err, io.EOF) && roots == 1:
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%d documents in place of one", roots)
		case err != nil:
			return err
		}
	}
}

// error turns a fault into what REST's refusals are. Faults always have the
// status 500 (SOAP API guide, "API Fault Element"), so the code alone decides
// what to do about them; one without a code of Salesforce's is the server's.
func (f *soapFault) error(op string, status int) *Error {
	e := &Error{Op: op, Status: status, Message: f.Text, fault: true}
	code := strings.TrimSpace(f.Code)
	code = code[strings.LastIndexByte(code, ':')+1:]
	for _, d := range f.Detail.Any {
		if d.Code != "" {
			e.Code, e.Message = d.Code, d.Message
			return e
		}
	}
	if code != "Server" {
		e.Code = code
		e.Message = strings.TrimPrefix(e.Message, code+": ")
	}
	return e
}

// appendElement appends an element of the partner namespace with text in it.
func appendElement(b *bytes.Buffer, name, text string) {
	b.WriteString("<u:" + name + ">")
	_ = xml.EscapeText(b, []byte(text)) // a Buffer takes everything
	b.WriteString("</u:" + name + ">")
}
