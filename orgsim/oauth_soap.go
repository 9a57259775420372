package orgsim

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// lastSOAPLogin is the newest version with the login call (65.0 dropped it).
const lastSOAPLogin = 64

// maxLoginBytes bounds a login request (SOAP API guide, login()).
const maxLoginBytes = 10 << 10

// soapLogin is what login() takes; older clients begin with it and then use
// the session elsewhere.
type soapLogin struct {
	Username string `xml:"username"`
	Password string `xml:"password"`
}

// serveLogin answers login() of the partner and enterprise APIs.
func (a *oauth) serveLogin(w http.ResponseWriter, r *http.Request, kind string, version int, in soapLogin) {
	switch {
	case in.Username == "":
		soapFault(w, "INVALID_TYPE", "login() needs a username")
	case version > lastSOAPLogin:
		soapFault(w, "UNSUPPORTED_API_VERSION", "login() is not available in this version")
	default:
		a.soapLogin(w, r, kind, version, in)
	}
}

// soapPath reads /services/Soap/u/57.0 and what may follow.
func soapPath(path string) (kind string, version int) {
	parts := strings.Split(strings.TrimPrefix(path, "/services/Soap/"), "/")
	if len(parts) < 2 || parts[0] != "u" && parts[0] != "c" {
		return "", 0
	}
	major, _, _ := strings.Cut(parts[1], ".")
	n, err := strconv.Atoi(major)
	if err != nil {
		return "", 0
	}
	return map[string]string{"u": "partner", "c": "enterprise"}[parts[0]], n
}

// decodeSOAP reads an envelope. Document types are refused: nothing in SOAP
// needs one.
func decodeSOAP(text []byte, into any) error {
	dec := xml.NewDecoder(bytes.NewReader(text))
	dec.Strict = true
	probe := xml.NewDecoder(bytes.NewReader(text))
	for {
		tok, err := probe.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read envelope: %w", err)
		}
		if _, ok := tok.(xml.Directive); ok {
			return errors.New("read envelope: document type not allowed")
		}
	}
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("read envelope: %w", err)
	}
	return nil
}

func (a *oauth) soapLogin(w http.ResponseWriter, r *http.Request, kind string, version int, in soapLogin) {
	a.mu.Lock()
	enabled, want := a.cfg.PasswordFlow, a.cfg.Passwords[in.Username]
	idle := a.cfg.IdleTimeout
	a.mu.Unlock()
	u, ok := a.org.userByName(in.Username)
	if !enabled || want == "" || want != in.Password || !ok || !u.Active {
		soapFault(w, "INVALID_LOGIN", "Invalid username, password, security token; or user locked out.")
		return
	}
	token, _ := a.open(u.ID, "")
	letter := map[string]string{"partner": "u", "enterprise": "c"}[kind]
	server := fmt.Sprintf("%s/services/Soap/%s/%d.0/%s", a.instanceURL(r), letter, version, a.org.OrgID()[:15])
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>`+
		`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:%s.soap.sforce.com">`+
		`<soapenv:Body><loginResponse><result><metadataServerUrl>%s</metadataServerUrl><passwordExpired>false</passwordExpired>`+
		`<sandbox>false</sandbox><serverUrl>%s</serverUrl><sessionId>%s</sessionId><userId>%s</userId><userInfo>`+
		`<organizationId>%s</organizationId><sessionSecondsValid>%d</sessionSecondsValid><userEmail>%s</userEmail>`+
		`<userFullName>%s</userFullName><userId>%s</userId><userLanguage>en_US</userLanguage><userLocale>en_US</userLocale>`+
		`<userName>%s</userName><userTimeZone>GMT</userTimeZone></userInfo></result></loginResponse></soapenv:Body></soapenv:Envelope>`,
		kind, html.EscapeString(strings.Replace(server, "/Soap/"+letter+"/", "/Soap/m/", 1)), html.EscapeString(server), token, u.ID,
		a.org.OrgID(), int(idle.Seconds()), html.EscapeString(u.Email), html.EscapeString(u.Name), u.ID, html.EscapeString(u.Username))
}

// soapFault answers as SOAP does: HTTP 500 and a fault.
func soapFault(w http.ResponseWriter, code, message string) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>`+
		`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="urn:fault.partner.soap.sforce.com" `+
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault><faultcode>sf:%[1]s</faultcode>`+
		`<faultstring>%[1]s: %[2]s</faultstring><detail><sf:UnexpectedErrorFault xsi:type="sf:UnexpectedErrorFault">`+
		`<sf:exceptionCode>%[1]s</sf:exceptionCode><sf:exceptionMessage>%[2]s</sf:exceptionMessage></sf:UnexpectedErrorFault></detail>`+
		`</soapenv:Fault></soapenv:Body></soapenv:Envelope>`, code, html.EscapeString(message))
}
