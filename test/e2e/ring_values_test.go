package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/bridge"
	"sfbridge/orgsim"
	"sfbridge/writeback/rows"
)

// valuesOf are two rows of each object, as JSON: the second overwrites the first.
// They name their fields as the org does.
var valuesOf = map[string][2]string{
	"Order__c": {
		`"Status__c":"Draft","Total__c":1234567.895,"Quantity__c":2.5,"Discount__c":"12.345","Paid__c":"TRUE","Due__c":"2024-02-29",
		 "Shipped_At__c":"2024-10-27T01:30:00.789+0200","Pickup_Time__c":"23:59:59.999Z","Email__c":"Ship@Acme.Example","Phone__c":" +41 31 ",
		 "Link__c":"https://example.com/?a=1","Summary__c":"one\r\ntwo","Notes__c":"Zoë, 東京, 🚚","Terms__c":"net 30","Channels__c":["Shop","Web"],
		 "Ship_To__Street__s":"Hauptstr. 1","Ship_To__City__s":"Köln","Depot__Latitude__s":50.9413,"Depot__Longitude__s":6.958`,
		`"Status__c":"Paid","Total__c":-0.005,"Quantity__c":null,"Discount__c":0,"Paid__c":false,"Due__c":"1583-10-15",
		 "Shipped_At__c":"1969-12-31T23:59:59Z","Pickup_Time__c":"00:00:00","Email__c":null,"Phone__c":"  ",
		 "Link__c":"https://example.com/","Summary__c":"one two","Notes__c":null,"Terms__c":"net 10","Channels__c":"Web;Phone;Shop",
		 "Ship_To__Street__s":null,"Ship_To__City__s":"Bern","Depot__Latitude__s":-33.5,"Depot__Longitude__s":151.25`,
	},
	"Contact": {
		`"LastName":"Lovelace","FirstName":"Ada","Salutation":"Ms.","Birthdate":"1815-12-10","MailingCity":"London","MailingStreet":"12 St James",
		 "Email":"ada@acme.example","HasOptedOutOfEmail":true`,
		`"LastName":"King","FirstName":null,"Salutation":"Mrs.","Birthdate":null,"MailingCity":null,"MailingStreet":null,
		 "Email":"a.king@acme.example","HasOptedOutOfEmail":false`,
	},
	"Account": {
		`"Name":"Acme","BillingStreet":"Main St 1","BillingCity":"Bern","AnnualRevenue":999999999999999,"NumberOfEmployees":42,"Score__c":0.00005,
		 "Tags__c":"b;a","Active__c":true,"Tier__c":"Gold","Description":"a"`,
		`"Name":"Acme & Co","BillingStreet":"Main St 2","BillingCity":"Bern","AnnualRevenue":0.4,"NumberOfEmployees":"43","Score__c":"1e-4",
		 "Tags__c":"a;b","Active__c":1,"Tier__c":null,"Description":"b"`,
	},
}

// Values of every type come back as they were written, as far as the org's
// rounding, trimming and sorting goes: each of them in an event of its own, which
// is an echo. By single calls, in Collections, and in a bulk job.
func TestRing_ValuesOfEveryType_AreRecognised(t *testing.T) {
	for object, values := range valuesOf {
		for api, bulkAbove := range map[string]int{"single calls": -1, "collections": -1, "bulk": 50} {
			t.Run(object+"/"+api, func(t *testing.T) { writeValues(t, orgsim.Config{}, object, values, api, bulkAbove) })
		}
	}
}

// The name of a person account is made of parts, that of a company is not.
func TestRing_PersonAccounts_AreRecognised(t *testing.T) {
	people := [2]string{
		`"FirstName":"Ada","LastName":"Lovelace","Salutation":"Ms.","PersonEmail":"Ada@Acme.Example","PersonBirthdate":"1815-12-10","Phone":"1"`,
		`"FirstName":null,"LastName":"King","Salutation":"Mrs.","PersonEmail":"king@acme.example","PersonBirthdate":null,"Phone":null`,
	}
	org := orgsim.Config{PersonAccounts: true}
	writeValues(t, org, "Account", people, "collections", -1)
	writeValues(t, org, "Account", valuesOf["Account"], "collections", -1)
}

func writeValues(t *testing.T, org orgsim.Config, object string, values [2]string, api string, bulkAbove int) {
	bubble(t, org, func(s *system) {
		topic := "erp." + strings.ToLower(strings.TrimSuffix(object, "__c"))
		produce := s.producer(topic, 1)
		defer produce.Close()
		cfg := s.config(bridge.ChangeChannel(object))
		cfg.Writebacks = []bridge.Writeback{{
			Topic: topic, Org: "main", BulkAbove: bulkAbove,
			Rows: rows.Config{Object: object, ExternalID: "ERP_Id__c", Operation: rows.Upsert},
		}}
		r := s.start(cfg)
		r.readyWithin(time.Minute)
		n := map[string]int{"single calls": 1, "collections": 20, "bulk": 300}[api]
		for i, fields := range values {
			recs := make([]*kgo.Record, n)
			for k := range recs {
				key := fmt.Sprint("E-", k)
				value := fmt.Sprintf(`{"ERP_Id__c":%q,%s}`, key, fields)
				recs[k] = &kgo.Record{Key: []byte(key), Value: []byte(value)}
			}
			if err := produce.ProduceSync(s.t.Context(), recs...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Minute)
			got := s.topic("sf.cdc." + object)
			marked := 0
			for _, rec := range got {
				if header(rec, "sf_echo") == "true" {
					marked++
				}
			}
			if len(got) != n*(i+1) || marked != len(got) {
				t.Errorf("after write %d of %d rows: %d changes, %d of them marked; letters %v", i+1, n, len(got), marked, s.lettersIn("sf.dlq"))
			}
		}
		if sent := r.metric(fmt.Sprintf(`sfbridge_writeback_calls_total{api="bulk",flow="%s/main/%s"}`, topic, object)); (sent > 0) != (api == "bulk") {
			t.Errorf("%v bulk jobs", sent)
		}
		r.stop()
	})
}

// lettersIn gives the dead letters of a topic, each text once.
func (s *system) lettersIn(topic string) []string {
	texts := make(map[string]bool)
	for _, rec := range s.topic(topic) {
		texts[fmt.Sprintf("%.300s", rec.Value)] = true
	}
	return slices.Sorted(maps.Keys(texts))
}
