package sandbox

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/internal/flow"
	"sfbridge/orgsim"
)

// Written compares what an ERP system wrote to its topics with the rows of the
// org and with the outcomes of write-back.
type Written struct {
	WrittenBack int `json:"written_back"`      // records with one outcome, a row, and its id
	Failed      int `json:"write_back_failed"` // dead letters, records without one outcome, rows that are not as written last
	Echoes      int `json:"echoes"`            // changes that came back marked as this bridge's own

	Examples []string `json:"-"` // a few words on what is wrong
}

func (w *Written) fail(format string, args ...any) {
	w.Failed++
	if len(w.Examples) < 10 {
		w.Examples = append(w.Examples, fmt.Sprintf(format, args...))
	}
}

// AuditWritten reads the org, and the records that were read back from all
// topics: the ERP system's own under its prefix, and results, dead letters and
// changes under the bridge's.
func AuditWritten(org *orgsim.Org, erp, prefix string, records []*kgo.Record) Written {
	var w Written
	outcomes := make(map[string][]string) // id of the row, or "", by source position
	last := make(map[string]*kgo.Record)  // by topic and key
	for _, r := range records {
		switch {
		case r.Topic == prefix+".results":
			var res flow.Result
			if err := json.Unmarshal(r.Value, &res); err != nil {
				w.fail("result %d/%d: %v", r.Partition, r.Offset, err)
				continue
			}
			outcomes[position(res.Source)] = append(outcomes[position(res.Source)], res.ID)
		case r.Topic == prefix+".dlq":
			var l flow.Letter
			if json.Unmarshal(r.Value, &l) == nil && l.Kind == flow.KindWriteback {
				outcomes[position(l.Source)] = append(outcomes[position(l.Source)], "")
				w.Examples = append(w.Examples, fmt.Sprintf("dead letter of %s: %s: %s", position(l.Source), l.Reason, l.Error))
			}
		case strings.HasPrefix(r.Topic, prefix+".cdc.") && headerOf(r, "sf_echo") == "true":
			w.Echoes++
		case erpObject(erp, r) != "":
			last[r.Topic+" "+string(r.Key)] = r
		}
	}
	for _, r := range records {
		if object := erpObject(erp, r); object != "" {
			w.outcome(org, r, object, outcomes[position(flow.Source{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset})])
		}
	}
	for _, r := range last {
		w.row(org, erpObject(erp, r), r)
	}
	return w
}

// erpObject is the object that a record of the ERP system goes to, "" for others.
func erpObject(prefix string, r *kgo.Record) string {
	topic, ok := strings.CutPrefix(r.Topic, prefix)
	if !ok {
		return ""
	}
	return erpFields[topic].object
}

func position(s flow.Source) string { return fmt.Sprintf("%s/%d/%d", s.Topic, s.Partition, s.Offset) }

// outcome counts one record by what became of it.
func (w *Written) outcome(org *orgsim.Org, r *kgo.Record, object string, ids []string) {
	if len(ids) != 1 {
		w.fail("%s/%d/%d has %d outcomes", r.Topic, r.Partition, r.Offset, len(ids))
		return
	}
	row := org.Get(ids[0])
	if row == nil || row.Get("ERP_Id__c").Text() != string(r.Key) || org.ObjectOf(ids[0]).Name != object {
		w.fail("%s/%d/%d says that it is row %q, which is not %s", r.Topic, r.Partition, r.Offset, ids[0], r.Key)
		return
	}
	w.WrittenBack++
}

// row compares a row with the last record of its key.
func (w *Written) row(org *orgsim.Org, object string, r *kgo.Record) {
	found := org.FindByExternalID(object, "ERP_Id__c", orgsim.String(string(r.Key)))
	if len(found) != 1 {
		w.fail("%s %s: %d rows", object, r.Key, len(found))
		return
	}
	for field, text := range written(org, object, r) {
		if got := found[0].Get(field).String(); got != text {
			w.fail("%s %s: %s is %q, want %q", object, r.Key, field, got, text)
			return
		}
	}
}

// written is what a record says, field by field, as the org tells its values.
func written(org *orgsim.Org, object string, r *kgo.Record) map[string]string {
	switch object {
	case "Account":
		var c erpCustomer
		json.Unmarshal(r.Value, &c)
		phone := ""
		if c.Phone != nil {
			phone = *c.Phone
		}
		return map[string]string{
			"Name": c.Name, "Phone": phone, "BillingStreet": c.Address.Street, "BillingCity": c.Address.City,
			"Score__c": decimalText(c.Score), "Active__c": fmt.Sprint(c.Active),
		}
	default:
		var o erpOrder
		json.Unmarshal(r.Value, &o)
		customer := ""
		if found := org.FindByExternalID("Account", "ERP_Id__c", orgsim.String(o.Customer)); len(found) == 1 {
			customer = found[0].ID
		}
		return map[string]string{
			"Account__c": customer, "Status__c": o.Status, "Total__c": decimalText(o.Total),
			"Quantity__c": fmt.Sprint(o.Quantity), "Due__c": o.Due,
		}
	}
}

// decimalText is a number as the org tells it.
func decimalText(n json.Number) string { return orgsim.MustDecimal(string(n)).String() }
