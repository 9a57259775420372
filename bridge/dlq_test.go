package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"sfbridge/internal/flow"
	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
	"sfbridge/salesforce/auth"
	"sfbridge/schemas"
	"sfbridge/writeback/rows"
)

// letterBox is a bridge with dead letters, inside a bubble.
type letterBox struct {
	t   *testing.T
	b   *Bridge
	ctx context.Context
}

const erpFlow = "erp.customers/main/Account"

// withLetters runs fn with a bridge that writes erp.customers back.
func withLetters(t *testing.T, fn func(*letterBox)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Fake(t, kfake.SeedTopics(2, "erp.customers"), kfake.SeedTopics(3, "sf.dlq"))
		b := &Bridge{
			cfg: Config{
				Name: "test", Topics: TopicConfig{Prefix: "sf", Create: true, Partitions: 3, Replication: -1},
				Orgs: map[string]OrgConfig{"main": {Auth: auth.Config{}}},
				Writebacks: []Writeback{
					{Topic: "erp.customers", Org: "main", Rows: rows.Config{Object: "Account"}},
					{Topic: "erp.customers", Org: "main", Rows: rows.Config{Object: "Contact"}},
				},
			},
			decoder: schemas.NewDecoder(nil),
		}
		b.cfg.setDefaults()
		b.log = b.cfg.Logger
		var err error
		if b.kafka, err = kafka.New(kafka.Config{Brokers: c.Brokers, Dial: c.Dial}); err != nil {
			t.Fatal(err)
		}
		defer b.kafka.Close()
		fn(&letterBox{t: t, b: b, ctx: t.Context()})
	})
}

// write puts records into Kafka and returns their offsets.
func (lb *letterBox) write(recs ...kafka.Record) {
	lb.t.Helper()
	p, err := lb.b.kafka.NewProducer(lb.ctx, kafka.ProducerConfig{})
	if err != nil {
		lb.t.Fatal(err)
	}
	defer p.Close()
	for _, r := range recs { // one by one, so that offsets are known
		if err := p.Commit(lb.ctx, []kafka.Record{r}); err != nil {
			lb.t.Fatal(err)
		}
	}
}

// letter is a dead letter of a record of erp.customers.
func letter(partition int32, offset int64, change func(*flow.Letter)) kafka.Record {
	l := flow.Letter{
		Kind: flow.KindWriteback, Reason: flow.Validation, Error: "the org refused the row", Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION",
		Fields: []string{"Name"}, Flow: erpFlow, Org: "main", Object: "Account", Key: fmt.Sprint("E-", offset), Attempts: 1,
		Source:    flow.Source{Topic: "erp.customers", Partition: partition, Offset: offset, Time: time.Unix(1_700_000_000+offset, 0).UTC()},
		RecordKey: fmt.Appendf(nil, "E-%d", offset), Value: fmt.Appendf(nil, `{"name":"Acme %d"}`, offset),
		Headers: []flow.Header{{Key: "trace", Value: []byte("abc")}},
		Time:    time.Now().UTC(),
	}
	if change != nil {
		change(&l)
	}
	value, err := json.Marshal(l)
	if err != nil {
		panic(err)
	}
	return kafka.Record{Topic: "sf.dlq", Partition: 1, Key: l.RecordKey, Value: value}
}

func (lb *letterBox) list(f LetterFilter) []LetterInfo {
	lb.t.Helper()
	found, _, err := lb.b.Letters(lb.ctx, f, 0)
	if err != nil {
		lb.t.Fatal(err)
	}
	return found
}

func (lb *letterBox) retry(req RetryRequest) *RetryReport {
	lb.t.Helper()
	report, err := lb.b.Retry(lb.ctx, req)
	if err != nil {
		lb.t.Fatal(err)
	}
	return report
}

// retries reads the flow's retry topic.
func (lb *letterBox) retries() (all []kafka.Record) {
	lb.t.Helper()
	topic := lb.b.cfg.flows()[0].retry
	n, err := lb.b.kafka.Partitions(lb.ctx, topic)
	if err != nil {
		lb.t.Fatal(err)
	}
	for p := range n {
		if err := lb.b.kafka.ReadAll(lb.ctx, topic, p, func(r kafka.Record) error { all = append(all, r); return nil }); err != nil {
			lb.t.Fatal(err)
		}
	}
	return all
}

func ids(ls []LetterInfo) string {
	var all []string
	for _, l := range ls {
		all = append(all, l.ID.String())
	}
	return strings.Join(all, " ")
}

func TestLetters_FiltersChoose(t *testing.T) {
	withLetters(t, func(lb *letterBox) {
		lb.write(
			letter(0, 1, nil),
			letter(0, 2, func(l *flow.Letter) { l.Reason = flow.Locked }),
			letter(1, 3, func(l *flow.Letter) { l.Kind, l.Flow = flow.KindPublish, "erp.shipments/main/Shipment__e" }),
		)
		time.Sleep(time.Hour)
		noon := time.Now()
		capture, _ := json.Marshal(DeadLetter{Reason: reasonUndecodable, Org: "main", Channel: "/data/AccountChangeEvent", Payload: []byte{1}, Time: time.Now()})
		lb.write(
			kafka.Record{Topic: "sf.dlq", Partition: 2, Value: capture},
			kafka.Record{Topic: "sf.dlq", Partition: 2, Value: []byte("not ours")},
			letter(0, 9, func(l *flow.Letter) { l.Source.Topic, l.RetryOf = "_sfbridge.test.retry.x", "erp.customers/0/1" }),
		)
		for _, tt := range []struct {
			what   string
			filter LetterFilter
			want   string
		}{
			{"all, in the order of time", LetterFilter{}, "1/0 1/1 1/2 1/3 2/0 2/1"},
			{"reason", LetterFilter{Reasons: []string{flow.Locked}}, "1/1"},
			{"several reasons", LetterFilter{Reasons: []string{flow.Locked, reasonUndecodable}}, "1/1 2/0"},
			{"kind", LetterFilter{Kinds: []string{kindCapture}}, "2/0"},
			{"flow", LetterFilter{Flow: "erp.shipments/main/Shipment__e"}, "1/2"},
			{"channel", LetterFilter{Flow: "main/data/AccountChangeEvent"}, "2/0"},
			{"topic, of retried records too", LetterFilter{Topic: "erp.customers"}, "1/0 1/1 1/2 1/3"},
			{"since", LetterFilter{Since: noon}, "1/3 2/0 2/1"},
			{"until", LetterFilter{Until: noon}, "1/0 1/1 1/2"},
			{"ids", LetterFilter{IDs: []LetterID{{1, 1}, {2, 0}}}, "1/1 2/0"},
			{"nothing", LetterFilter{Reasons: []string{"other"}}, ""},
		} {
			if got := ids(lb.list(tt.filter)); got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.what, got, tt.want)
			}
		}
		if found, all, err := lb.b.Letters(lb.ctx, LetterFilter{}, 2); err != nil || ids(found) != "2/0 2/1" && ids(found) != "1/3 2/1" || all != 6 {
			t.Errorf("newest two of %d: %s, %v", all, ids(found), err)
		}
	})
}

func TestRetry_SendsOnce_InSourceOrder_ToTheSamePartition(t *testing.T) {
	withLetters(t, func(lb *letterBox) {
		lb.write(letter(1, 30, nil), letter(1, 10, nil), letter(0, 20, nil))
		if dry := lb.retry(RetryRequest{DryRun: true}); len(dry.Retried) != 3 {
			t.Errorf("dry run would send %d", len(dry.Retried))
		}
		if _, err := lb.b.kafka.Partitions(lb.ctx, lb.b.cfg.flows()[0].retry); !kafka.IsUnknownTopic(err) {
			t.Errorf("a dry run made the retry topic, or %v", err)
		}
		report := lb.retry(RetryRequest{})
		if len(report.Retried) != 3 || len(report.LeftOut) != 0 || report.Retried[1].Record != "erp.customers/1/10" {
			t.Errorf("report = %+v", report)
		}
		got := lb.retries()
		if len(got) != 3 || got[0].Partition != 0 || got[1].Partition != 1 || string(got[1].Key) != "E-10" || string(got[2].Key) != "E-30" {
			t.Fatalf("sent %+v", got)
		}
		want := []kafka.Header{{Key: "trace", Value: []byte("abc")}, {Key: "sf_retry_of", Value: []byte("erp.customers/1/10")}}
		if r := got[1]; !reflect.DeepEqual(r.Headers, want) || string(r.Value) != `{"name":"Acme 10"}` || r.Time.Unix() != 1_700_000_010 {
			t.Errorf("sent %+v", r)
		}
		for _, l := range lb.list(LetterFilter{}) {
			if l.State != LetterRetried || l.RetriedAt.IsZero() {
				t.Errorf("%s is %s", l.ID, l.State)
			}
		}
		again := lb.retry(RetryRequest{})
		if len(again.Retried)+len(again.LeftOut) != 0 || len(lb.retries()) != 3 {
			t.Errorf("a second retry did %+v", again)
		}
		named := lb.retry(RetryRequest{Filter: LetterFilter{IDs: []LetterID{{1, 0}, {2, 5}}}})
		if len(named.Retried) != 0 || len(named.LeftOut) != 2 || !strings.Contains(named.LeftOut[1].Why, "was retried at") {
			t.Errorf("a retry of letters by name did %+v", named)
		}
	})
}

func TestRetry_WithoutTransactions_SendsAndMarks(t *testing.T) {
	withLetters(t, func(lb *letterBox) {
		lb.b.cfg.AtLeastOnce = true
		lb.write(letter(0, 2, nil), letter(0, 1, nil))
		if report := lb.retry(RetryRequest{}); len(report.Retried) != 2 {
			t.Errorf("report = %+v", report)
		}
		if got := lb.retries(); len(got) != 2 || string(got[0].Key) != "E-1" {
			t.Errorf("sent %+v", got)
		}
		if open := ids(lb.list(LetterFilter{State: LetterOpen})); open != "" {
			t.Errorf("open: %s", open)
		}
	})
}

func TestRetry_ForceAndLimit(t *testing.T) {
	withLetters(t, func(lb *letterBox) {
		lb.write(letter(0, 2, nil), letter(0, 1, nil))
		report := lb.retry(RetryRequest{Limit: 1, Force: true})
		got := lb.retries()
		if len(report.Retried) != 1 || len(got) != 1 || string(got[0].Key) != "E-1" {
			t.Fatalf("sent %+v", got)
		}
		if h := got[0].Headers[len(got[0].Headers)-1]; h.Key != "sf_retry_force" || string(h.Value) != "true" {
			t.Errorf("headers %+v", got[0].Headers)
		}
		if open := ids(lb.list(LetterFilter{State: LetterOpen})); open != "1/0" {
			t.Errorf("open: %s", open)
		}
	})
}

// A letter of a record that was retried before leads back to where the record
// was first read.
func TestRetry_OfARetry_NamesTheFirstPlace(t *testing.T) {
	withLetters(t, func(lb *letterBox) {
		lb.write(letter(1, 0, func(l *flow.Letter) {
			l.Source.Topic, l.RetryOf = "_sfbridge.test.retry.erp.customers.main.Account", "erp.customers/1/77"
			l.Headers = []flow.Header{{Key: "sf_retry_of", Value: []byte("erp.customers/1/77")}, {Key: "sf_retry_force", Value: []byte("true")}}
		}))
		lb.retry(RetryRequest{})
		got := lb.retries()
		want := []kafka.Header{{Key: "sf_retry_of", Value: []byte("erp.customers/1/77")}}
		if len(got) != 1 || got[0].Partition != 1 || !reflect.DeepEqual(got[0].Headers, want) {
			t.Errorf("sent %+v", got)
		}
	})
}

func TestRetry_LetterWithoutItsRecord_ReadsTheSource(t *testing.T) {
	withLetters(t, func(lb *letterBox) {
		lb.write(kafka.Record{Topic: "erp.customers", Key: []byte("E-0"), Value: []byte(`{"big":true}`), Headers: []kafka.Header{{Key: "h", Value: []byte("v")}}})
		lb.write(
			letter(0, 0, func(l *flow.Letter) { l.Value, l.Headers = nil, nil }),
			letter(0, 50, func(l *flow.Letter) { l.Value = nil }),
			letter(1, 7, func(l *flow.Letter) { l.Value, l.Tombstone = nil, true }),
		)
		report := lb.retry(RetryRequest{})
		if len(report.Retried) != 2 || len(report.LeftOut) != 1 || !strings.Contains(report.LeftOut[0].Why, "have its source send it again") {
			t.Errorf("report = %+v", report)
		}
		got := lb.retries()
		if len(got) != 2 || string(got[0].Value) != `{"big":true}` || got[0].Headers[0].Key != "h" || got[1].Value != nil {
			t.Errorf("sent %+v", got)
		}
		if open := ids(lb.list(LetterFilter{State: LetterOpen})); open != "1/1" {
			t.Errorf("open: %s", open)
		}
		l, err := lb.b.Letter(lb.ctx, LetterID{1, 1})
		if err != nil || !strings.Contains(l.Missing, "erp.customers/0/50") {
			t.Errorf("letter %+v, %v", l, err)
		}
	})
}

func TestRetry_AfterTheSourceHasGrown_GrowsTheRetryTopicToo(t *testing.T) {
	withLetters(t, func(lb *letterBox) {
		lb.write(letter(1, 1, nil))
		lb.retry(RetryRequest{})
		if err := lb.b.kafka.GrowTopic(lb.ctx, "erp.customers", 5); err != nil {
			t.Fatal(err)
		}
		lb.write(letter(4, 2, nil))
		if report := lb.retry(RetryRequest{}); len(report.Retried) != 1 {
			t.Errorf("report = %+v", report)
		}
		if got := lb.retries(); len(got) != 2 || got[1].Partition != 4 {
			t.Errorf("sent %+v", got)
		}
	})
}

func TestRetry_LeavesOutWhatItCannotSend(t *testing.T) {
	withLetters(t, func(lb *letterBox) {
		capture, _ := json.Marshal(DeadLetter{Kind: kindCapture, Reason: reasonTooLarge, Org: "main", Channel: "/data/AccountChangeEvent", Time: time.Now()})
		lb.write(
			kafka.Record{Topic: "sf.dlq", Partition: 0, Value: capture},
			letter(0, 1, func(l *flow.Letter) { l.Flow = "gone/main/Account" }),
			kafka.Record{Topic: "sf.dlq", Partition: 2, Value: []byte("{}")},
		)
		report := lb.retry(RetryRequest{})
		var got []string
		for _, l := range report.LeftOut {
			got = append(got, l.ID.String()+" "+l.Why)
		}
		text := strings.Join(got, "\n")
		for _, want := range []string{"0/0 is of capture", "1/0 its flow gone/main/Account is not in the configuration", "2/0 is no letter"} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
		if len(report.Retried) != 0 {
			t.Errorf("retried %+v", report.Retried)
		}
	})
}

func TestLetter_ShowsItsRecord(t *testing.T) {
	withLetters(t, func(lb *letterBox) {
		lb.write(letter(0, 5, nil))
		lb.retry(RetryRequest{})
		l, err := lb.b.Letter(lb.ctx, LetterID{1, 0})
		if err != nil {
			t.Fatal(err)
		}
		if l.State != LetterRetried || string(l.Key) != "E-5" || string(l.Value) != `{"name":"Acme 5"}` || len(l.Headers) != 1 {
			t.Errorf("letter %+v", l)
		}
		if want := (map[string]any{"name": "Acme 5"}); !reflect.DeepEqual(l.Decoded, want) {
			t.Errorf("decoded %v, want %v", l.Decoded, want)
		}
		for _, id := range []LetterID{{1, 1}, {1, 99}, {2, 0}} { // a marker, and nothing
			if _, err := lb.b.Letter(lb.ctx, id); err == nil || !strings.Contains(err.Error(), "sfbridge dlq list") {
				t.Errorf("letter %s: %v", id, err)
			}
		}
	})
}

func TestParseLetterID(t *testing.T) {
	for text, want := range map[string]LetterID{"0/0": {}, "2/107": {2, 107}} {
		if got, err := ParseLetterID(text); err != nil || got != want || got.String() != text {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1", "/", "1/", "/1", "a/1", "1/b", "-1/2", "1/-2", "1/2/3", "9999999999/1"} {
		if got, err := ParseLetterID(text); err == nil {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
}

// Whatever stands in the dead-letter topic, a list shows something and does not
// fail.
func FuzzReadLetter(f *testing.F) {
	f.Add(letter(0, 1, nil).Value)
	f.Add([]byte(`{"kind":"retried","of":"1/2","at":"2026-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"kind":"capture","reason":"too_large","state":"retried","letter":"5/5"}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, value []byte) {
		if m, ok := readMarker(value); ok && (m.Of.Partition < 0 || m.Of.Offset < 0) {
			t.Errorf("marker of %s", m.Of)
		}
		l := readLetter(kafka.Record{Partition: 3, Offset: 4, Value: value})
		if l.ID != (LetterID{3, 4}) || l.State != LetterOpen || l.Kind == "" {
			t.Errorf("letter %+v", l)
		}
		if from, ok := l.origin(); ok && (from.Partition < 0 || from.Offset < 0) && l.RetryOf != "" {
			t.Errorf("origin %+v", from)
		}
	})
}

// Flows that read the same topic each have letters of their own for a record.
func TestRetry_OfOneRecordInTwoFlows_GoesToBoth(t *testing.T) {
	withLetters(t, func(lb *letterBox) {
		lb.write(letter(0, 1, nil), letter(0, 1, func(l *flow.Letter) { l.Flow, l.Object = "erp.customers/main/Contact", "Contact" }), letter(0, 1, nil))
		if report := lb.retry(RetryRequest{}); len(report.Retried) != 3 {
			t.Errorf("report = %+v", report)
		}
		for _, n := range lb.b.cfg.flows() {
			count := 0
			if err := lb.b.kafka.ReadAll(lb.ctx, n.retry, 0, func(kafka.Record) error { count++; return nil }); err != nil {
				t.Fatal(err)
			}
			if count != 1 {
				t.Errorf("%d records went to %s, want 1", count, n.retry)
			}
		}
	})
}

// Many letters over all partitions are each read once or twice, not one fetch
// for one letter, and come out in the order of their records.
func TestRetry_OfManyLetters_KeepsTheirOrder(t *testing.T) {
	withLetters(t, func(lb *letterBox) {
		const n = 1200
		p, err := lb.b.kafka.NewProducer(lb.ctx, kafka.ProducerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		var recs []kafka.Record
		for i := range n {
			rec := letter(int32(i%2), int64(i/2), nil)
			rec.Partition = int32(i*7) % 3
			recs = append(recs, rec)
		}
		if err := p.Commit(lb.ctx, recs); err != nil {
			t.Fatal(err)
		}
		if report := lb.retry(RetryRequest{}); len(report.Retried) != n || len(report.LeftOut) != 0 {
			t.Fatalf("%d retried, %v left out", len(report.Retried), report.LeftOut)
		}
		got := lb.retries()
		if len(got) != n {
			t.Fatalf("%d sent, want %d", len(got), n)
		}
		for i, r := range got {
			if want := fmt.Sprintf("E-%d", i%(n/2)); r.Partition != int32(i/(n/2)) || string(r.Key) != want {
				t.Fatalf("record %d is %s in partition %d, want %s", i, r.Key, r.Partition, want)
			}
		}
		if open := lb.list(LetterFilter{State: LetterOpen}); len(open) != 0 {
			t.Errorf("%d letters are open", len(open))
		}
	})
}
