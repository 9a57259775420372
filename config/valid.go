package config

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"sfbridge/internal/expression"
)

var (
	bridgeNames = regexp.MustCompile(`^[a-z0-9._-]{1,60}$`)
	orgNames    = regexp.MustCompile(`^[A-Za-z0-9._-]{1,60}$`)
	prefixes    = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)
	versions    = regexp.MustCompile(`^[1-9][0-9]{1,2}\.0$`)
	// An API name: letters, digits and single underscores, with a namespace
	// before and a suffix after two underscores.
	apiNames = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*__)?[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*(__[A-Za-z]+)?$`)
	// The same, and parts of a package's geolocation: acme__Site__Latitude__s.
	partNames = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(__?[A-Za-z0-9]+)*$`)
	// The prefix of a managed package: up to 15 letters, digits and single
	// underscores (Salesforce help, Create and Register Your Namespace).
	namespaces = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*$`)
	topics     = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)
	ruleIDs    = regexp.MustCompile(`^01Q[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$`)
	channels   = regexp.MustCompile(`^/(data|event)/[A-Za-z0-9_]+$`)
)

func bridgeName(s string) *issue {
	if bridgeNames.MatchString(s) {
		return nil
	}
	return &issue{problem: "is no name for a bridge", remedy: "use 1 to 60 of a-z, 0-9, dot, underscore and hyphen"}
}

func orgName(s string) *issue {
	if orgNames.MatchString(s) {
		return nil
	}
	return &issue{problem: "is no name for an org", remedy: "use 1 to 60 letters, digits, dots, underscores and hyphens"}
}

func topicPrefix(s string) *issue {
	if prefixes.MatchString(s) {
		return nil
	}
	return &issue{problem: "cannot begin a topic's name", remedy: "use 1 to 100 letters, digits, dots, underscores and hyphens"}
}

func apiVersion(s string) *issue {
	if !versions.MatchString(s) {
		return &issue{problem: "is no API version", remedy: `write it as "64.0"`}
	}
	// Up to 30.0 they are retired and answer 410 (REST API guide).
	if n, _ := strconv.Atoi(strings.TrimSuffix(s, ".0")); n <= 30 {
		return &issue{problem: "is retired by Salesforce", remedy: `use "64.0"`}
	}
	return nil
}

func objectName(s string) *issue {
	switch base, isEvent := strings.CutSuffix(s, "ChangeEvent"); {
	case strings.HasPrefix(s, "/"):
		return &issue{problem: "is a channel", remedy: "put it under channels"}
	case strings.HasSuffix(s, "__e"):
		return &issue{problem: "is a platform event", remedy: "put it under events"}
	case strings.HasSuffix(s, "__chn"):
		return &issue{problem: "is a channel", remedy: "write /data/" + s + " under channels"}
	case isEvent && strings.HasSuffix(base, "__"):
		return &issue{problem: "is the change event of an object", remedy: "write " + base + "c"}
	case isEvent && base != "":
		return &issue{problem: "is the change event of an object", remedy: "write " + base}
	case !apiNames.MatchString(s):
		return &issue{problem: "is no API name of an object", remedy: "write it as in Setup, Object Manager, API Name: Account, Order__c, acme__Order__c"}
	}
	return nil
}

func eventName(s string) *issue {
	switch rest, full := strings.CutPrefix(s, "/event/"); {
	case full && strings.HasSuffix(rest, "__chn"):
		return &issue{problem: "is a channel", remedy: "put it under channels"}
	case full:
		return &issue{problem: "is a channel", remedy: "write " + rest}
	case strings.HasSuffix(s, "__c"), strings.HasSuffix(s, "ChangeEvent"):
		return &issue{problem: "is no platform event", remedy: "put the object under objects"}
	case strings.HasSuffix(s, "__chn"):
		return &issue{problem: "is a channel", remedy: "write /event/" + s + " under channels"}
	case !apiNames.MatchString(s):
		return &issue{problem: "is no API name of an event", remedy: "write it as in Setup, Platform Events, API Name: Shipment__e"}
	case strings.HasSuffix(s, "__e"), strings.HasSuffix(s, "Event"), strings.HasSuffix(s, "EventStream"):
		return nil
	}
	return &issue{warning: true, problem: "does not look like an event", remedy: "custom events end in __e"}
}

func namespaceName(s string) *issue {
	if namespaces.MatchString(s) && len(s) <= 15 {
		return nil
	}
	return &issue{problem: "is no namespace", remedy: "write it as in Setup, Package Manager, without the two underscores"}
}

func topicName(s string) *issue {
	if topics.MatchString(s) && s != "." && s != ".." {
		return nil
	}
	return &issue{problem: "is no name of a topic", remedy: "use 1 to 249 letters, digits, dots, underscores and hyphens"}
}

// recordObject accepts what records can be written into.
func recordObject(s string) *issue {
	if strings.HasSuffix(s, "__e") {
		return &issue{problem: "is a platform event", remedy: "put it under publish"}
	}
	if is := objectName(s); is != nil {
		return &issue{problem: is.problem, remedy: strings.ReplaceAll(is.remedy, "put it under channels", "give an object"), warning: is.warning}
	}
	return nil
}

// writeTarget accepts the names that a value can be written under: a field, a
// parent's external id behind a relationship, and the same of a relationship
// that may lead to several objects, with the one that is meant before a colon.
func writeTarget(s string) *issue {
	path := s
	if object, rest, ok := strings.Cut(s, ":"); ok {
		if path = rest; !apiNames.MatchString(object) || !strings.Contains(path, ".") {
			path = ""
		}
	}
	parts := strings.Split(path, ".")
	for _, p := range parts {
		if !partNames.MatchString(p) || len(parts) > 2 {
			return &issue{
				problem: "is no field to write",
				remedy:  "write Phone, or Account.ERP_Id__c for a parent by its external id, or Lead:Who.ERP_Id__c where the parent may be of several objects",
			}
		}
	}
	return nil
}

// formula accepts a path or an expression over a record.
func formula(s string) *issue {
	if _, err := expression.Compile(s); err != nil {
		return &issue{problem: "is no path and no expression: " + err.Error(), remedy: "see docs/mapping.md, Expressions"}
	}
	return nil
}

func assignment(s string) *issue {
	if s == "true" || s == "false" || ruleIDs.MatchString(s) {
		return nil
	}
	return &issue{problem: "is no assignment", remedy: "write true, false, or the id of an assignment rule, which begins with 01Q"}
}

func channelName(s string) *issue {
	switch {
	case !strings.HasPrefix(s, "/"):
		return &issue{problem: "is no channel", remedy: "write it in full, such as /data/Sales__chn; objects and events have keys of their own"}
	case !strings.HasPrefix(s, "/data/") && !strings.HasPrefix(s, "/event/"):
		return &issue{problem: "is no channel of the Pub/Sub API", remedy: "give a channel that starts with /data/ or /event/"}
	case !channels.MatchString(s):
		return &issue{problem: "is no channel", remedy: "write /data/ or /event/ and one API name"}
	}
	return nil
}

func fieldName(s string) *issue {
	if apiNames.MatchString(s) {
		return nil
	}
	return &issue{problem: "is no API name of a field", remedy: "write it as in Setup, such as Order_Number__c"}
}

func hostPort(s string) *issue {
	host, port, err := net.SplitHostPort(s)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 || host == "" || strings.ContainsAny(host, "/@ \t") {
		return &issue{problem: "is no address", remedy: "write host:port, without a scheme or path"}
	}
	return nil
}

func listenAddress(s string) *issue {
	host, port, err := net.SplitHostPort(s)
	if _, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || strings.ContainsAny(host, "/@ \t") {
		return &issue{problem: "is no address to listen on", remedy: "write host:port, such as 127.0.0.1:8080"}
	}
	return nil
}

// httpURL accepts http and https.
func httpURL(s string) *issue {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return &issue{problem: "is no http or https URL", remedy: "write it as https://host, with a path if there is one"}
	case u.User != nil:
		return &issue{problem: "has a user or password in it", remedy: "take them out of the URL, and use the keys for them"}
	case u.RawQuery != "" || u.Fragment != "":
		return &issue{problem: "has a query or fragment", remedy: "end it after the path"}
	}
	return nil
}

// secureURL accepts https, and http to this machine.
func secureURL(s string) *issue {
	if is := httpURL(s); is != nil {
		return is
	}
	if u, _ := url.Parse(s); u.Scheme == "http" && !isLoopback(u.Host) {
		return &issue{problem: "would send secrets in the clear", remedy: "write https; plain http is for a simulator on 127.0.0.1"}
	}
	return nil
}

func trimSlash(s string) string { return strings.TrimRight(s, "/") }

func isLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func allLoopback(hostports []string) bool {
	for _, hp := range hostports {
		if !isLoopback(hp) {
			return false
		}
	}
	return true
}

// The checks below are of what a file holds.

func pemFile(s string) *issue {
	if block, _ := pem.Decode([]byte(s)); block == nil {
		return &issue{problem: "holds no PEM block", remedy: "give a file with -----BEGIN ... lines"}
	}
	return nil
}

func certificates(s string) *issue {
	if x509.NewCertPool().AppendCertsFromPEM([]byte(s)) {
		return nil
	}
	return &issue{problem: "holds no certificate", remedy: "give a PEM file with -----BEGIN CERTIFICATE----- lines"}
}

// privateKey accepts an RSA key in PEM, PKCS #1 or #8: Salesforce signs JWTs
// with RS256 alone.
func privateKey(s string) *issue {
	block, _ := pem.Decode([]byte(s))
	if block == nil {
		return &issue{problem: "holds no PEM block", remedy: "give the key with its -----BEGIN PRIVATE KEY----- lines and line breaks"}
	}
	switch block.Type {
	case "RSA PRIVATE KEY":
		if block.Headers["DEK-Info"] != "" {
			break
		}
		if _, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
			return nil
		}
		return &issue{problem: "holds a damaged RSA key", remedy: "copy it again"}
	case "PRIVATE KEY":
		if k, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			return rsaOnly(k)
		}
		return &issue{problem: "holds a damaged key", remedy: "copy it again"}
	case "ENCRYPTED PRIVATE KEY":
	case "CERTIFICATE":
		return &issue{problem: "holds a certificate", remedy: "give the private key; the certificate belongs in the org's app"}
	default:
		return &issue{problem: "holds no RSA private key", remedy: "make one with openssl req -x509 -newkey rsa:2048 -noenc"}
	}
	return &issue{problem: "holds an encrypted key", remedy: "decrypt it with openssl pkey, and protect the file by its permissions"}
}

func rsaOnly(k any) *issue {
	if _, ok := k.(*rsa.PrivateKey); ok {
		return nil
	}
	return &issue{problem: "holds a key that is not RSA", remedy: "make one with openssl req -x509 -newkey rsa:2048 -noenc"}
}
