package salesforce_test

import (
	"strings"
	"testing"

	"sfbridge/salesforce"
)

// FuzzEnvelope wants that no answer breaks the reader, that no document with a
// type of its own is believed, and that no record succeeds that the answer does
// not call a success.
func FuzzEnvelope(f *testing.F) {
	const begin = `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>`
	for _, body := range []string{
		`<undeleteResponse><result><id>001</id><success>true</success></result></undeleteResponse>`,
		`<e:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode><faultstring>x</faultstring><detail><d><exceptionCode>A</exceptionCode></d></detail></e:Fault>`,
		`<undeleteResponse><result><errors><fields>A</fields><statusCode>B</statusCode></errors><success>false</success></result></undeleteResponse>`,
		`<undeleteResponse><result><success>maybe</success></result></undeleteResponse>`,
	} {
		f.Add(begin + body + `</e:Body></e:Envelope>`)
	}
	f.Add(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`)
	f.Fuzz(func(t *testing.T, text string) {
		succeeded, err := salesforce.ReadEnvelope(text)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without a text")
			}
			return
		}
		hidden := strings.Contains(text, "<![CDATA[") || strings.Contains(text, "<!--") || strings.Contains(text, "<?")
		if strings.Contains(text, "<!DOCTYPE") && !hidden {
			t.Fatal("a document type was taken")
		}
		for _, ok := range succeeded {
			if ok && !hidden && !strings.Contains(text, "success") {
				t.Fatal("a success that nobody told")
			}
		}
	})
}
