package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The paths into an org that the bridge shares with other clients, and what
// each needs in the configuration.
var writePaths = []struct{ name, setting, calls string }{
	{"collections", "bulk_above: 0", "as few: one for 200 rows, and one that describes the object"},
	{"bulk", "bulk_above: 2000", "fewer than both"},
}

const writeFlow = `writeback:
  - topic: %s
    org: main
    object: Account
    external_id: ERP_Id__c
    fields: {ERP_Id__c: id, Name: name, Phone: phone, BillingCity: city, BillingStreet: street, Website: web, Score__c: score, Active__c: active}
    %s
`

// farOrg is an org at a distance: each call takes 80 ms.
var farOrg = []string{"--latency", "80ms", "--ledger=-1"}

// load is what one client took for all the rows.
type load struct {
	Good    int   `json:"good"`
	RSS     int64 `json:"rss"`
	seconds float64
	calls   int64
}

// write upserts the same rows through each path with the bridge, with
// simple-salesforce and with jsforce, each against an org of its own. The time is
// that of the whole process: the others make their rows in memory, the bridge
// finds them in Kafka; all log in, write, and read what became of each row.
func (b *bench) write(ctx context.Context) error {
	for _, path := range writePaths {
		python, err := b.rival(ctx, path.name, filepath.Join(b.rig, "venv/bin/python"), "simple_salesforce_upsert.py")
		if err != nil {
			return fmt.Errorf("simple-salesforce, %s: %w", path.name, err)
		}
		node, err := b.rival(ctx, path.name, "node", "jsforce_upsert.cjs")
		if err != nil {
			return fmt.Errorf("jsforce, %s: %w", path.name, err)
		}
		own, err := b.writeBack(ctx, path.setting)
		if err != nil {
			return fmt.Errorf("the bridge, %s: %w", path.name, err)
		}
		figure := func(what string, goal string, of func(load) float64, format string) {
			b.add(fmt.Sprintf("%d upserts by %s, 80 ms a call: %s", b.upserts, path.name, what), goal,
				fmt.Sprintf(format, of(own)), fmt.Sprintf("simple-salesforce "+format+", jsforce "+format, of(python), of(node)))
		}
		rows := float64(b.upserts)
		figure("records a second", "more than both", func(l load) float64 { return rows / l.seconds }, "%.0f")
		figure("API calls per 1,000 records", path.calls, func(l load) float64 { return float64(l.calls) / rows * 1000 }, "%.2f")
		figure("peak memory in MiB", "less than both", func(l load) float64 { return float64(l.RSS) / (1 << 20) }, "%.0f")
	}
	return b.writeLatency(ctx)
}

// rival runs another client against an org of its own.
func (b *bench) rival(ctx context.Context, path, program, script string) (load, error) {
	sim, web, _, err := b.startOrg(ctx, farOrg...)
	if err != nil {
		return load{}, err
	}
	defer sim.stop()
	cmd := exec.CommandContext(ctx, program, filepath.Join("test/bench/rivals", script), "http://"+web, path, fmt.Sprint(b.upserts))
	cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(b.rig, "node/node_modules"))
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	began := time.Now()
	out, err := cmd.Output()
	if err != nil {
		return load{}, fmt.Errorf("%w\n%s", err, complaints.Bytes())
	}
	l := load{seconds: time.Since(began).Seconds()}
	if err := json.Unmarshal(out, &l); err != nil {
		return load{}, fmt.Errorf("%w in %q", err, out)
	}
	used, err := callsUsed(web)
	if err == nil {
		err = l.whole(b.upserts)
	}
	l.calls = used
	return l, err
}

func (l load) whole(rows int) error {
	if l.Good != rows {
		return fmt.Errorf("%d of %d rows were written", l.Good, rows)
	}
	return nil
}

// writeBack starts the bridge on a topic that holds all records, and takes the
// time until the last outcome is known.
func (b *bench) writeBack(ctx context.Context, setting string) (load, error) {
	topic, err := b.customers(ctx)
	if err != nil {
		return load{}, err
	}
	if err := b.produce(ctx, topic, b.upserts); err != nil {
		return load{}, err
	}
	p, err := b.startPair(ctx, fmt.Sprintf(writeFlow, topic, setting), farOrg...)
	if err != nil {
		return load{}, err
	}
	defer p.stop()
	const metric = "sfbridge_writeback_records_total"
	if err := until(ctx, 10*time.Minute, func() bool { return p.counter(metric) >= float64(b.upserts) }); err != nil {
		return load{}, fmt.Errorf("%.0f of %d rows: %w", p.counter(metric), b.upserts, err)
	}
	l := load{seconds: time.Since(p.started).Seconds(), Good: int(p.counter(metric)), RSS: p.bridge.peakRSS()}
	if dead := p.counter("sfbridge_dead_letters_total"); dead > 0 {
		return l, fmt.Errorf("%.0f dead letters", dead)
	}
	l.calls, err = callsUsed(p.org)
	return l, err
}

// customers makes a topic of four partitions.
func (b *bench) customers(ctx context.Context) (string, error) {
	topic := fmt.Sprintf("customers%x", time.Now().UnixNano())
	client, err := kgo.NewClient(kgo.SeedBrokers(b.kafka))
	if err != nil {
		return "", err
	}
	defer client.Close()
	_, err = kadm.NewClient(client).CreateTopic(ctx, 4, 1, nil, topic)
	return topic, err
}

// customer is a row as an ERP system would write it.
func customer(i int) *kgo.Record {
	id := fmt.Sprintf("C%07d", i)
	return &kgo.Record{Key: []byte(id), Value: fmt.Appendf(nil,
		`{"id":"%s","name":"Customer %d","phone":"+49 30 %07d","city":"City %d","street":"%d Long Street",`+
			`"web":"https://acme.example/%d","score":%d.25,"active":%v}`, id, i, i, i%100, i%300, i, i%1000, i%2 == 1)}
}

func (b *bench) produce(ctx context.Context, topic string, n int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(b.kafka), kgo.DefaultProduceTopic(topic), kgo.MaxBufferedRecords(20_000))
	if err != nil {
		return err
	}
	defer client.Close()
	failed := make(chan error, 1)
	for i := range n {
		client.Produce(ctx, customer(i), func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// writeLatency is the time from a record's commit in Kafka to the commit of its
// row in the org, at 50 records a second.
func (b *bench) writeLatency(ctx context.Context) error {
	topic, err := b.customers(ctx)
	if err != nil {
		return err
	}
	p, err := b.startPair(ctx, fmt.Sprintf(writeFlow, topic, "bulk_above: 2000"), farOrg...)
	if err != nil {
		return err
	}
	defer p.stop()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.kafka), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return err
	}
	defer client.Close()
	const n, warmUp = 2000, 100
	stored := make(map[string]time.Time, n)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := range n {
		<-tick.C
		rec := customer(i)
		if err := client.ProduceSync(ctx, rec).FirstErr(); err != nil {
			return err
		}
		if i >= warmUp {
			stored[string(rec.Key)] = time.Now()
		}
	}
	const metric = "sfbridge_writeback_records_total"
	if err := until(ctx, time.Minute, func() bool { return p.counter(metric) >= n }); err != nil {
		return fmt.Errorf("%.0f of %d rows: %w", p.counter(metric), n, err)
	}
	rows, err := rowTimes(p.org)
	if err != nil {
		return err
	}
	var all []float64
	for key, at := range stored {
		row, ok := rows[key]
		if !ok {
			return fmt.Errorf("no row with ERP_Id__c %s", key)
		}
		all = append(all, float64(row.Sub(at).Microseconds())/1000)
	}
	slices.Sort(all)
	calls, err := callsUsed(p.org)
	b.add("Kafka commit to the row in the org, 50 records/s, 80 ms a call", "p99 below 300 ms",
		fmt.Sprintf("p50 %.0f ms, p99 %.0f ms", all[len(all)/2], all[len(all)*99/100]),
		fmt.Sprintf("%d records; %.0f API calls per 1,000 records", len(all), float64(calls)/n*1000))
	return err
}

// The simulated org's default connected app.
var login = url.Values{
	"grant_type": {"client_credentials"}, "client_id": {"3MVG9.simulated.connected.app"}, "client_secret": {"simulated-client-secret"},
}

// ask gets a resource of the org with a session of its own.
func ask(web, path string, out any) error {
	res, err := http.PostForm("http://"+web+"/services/oauth2/token", login)
	if err != nil {
		return err
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	err = json.NewDecoder(res.Body).Decode(&token)
	res.Body.Close()
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodGet, "http://"+web+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	if res, err = http.DefaultClient.Do(req); err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		return fmt.Errorf("%s: %s: %s", path, res.Status, text)
	}
	return json.NewDecoder(res.Body).Decode(out)
}

// callsUsed is how many API calls the org has counted, this one left out.
func callsUsed(web string) (int64, error) {
	var limits map[string]struct{ Max, Remaining int64 }
	if err := ask(web, "/services/data/v64.0/limits", &limits); err != nil {
		return 0, err
	}
	daily := limits["DailyApiRequests"]
	return daily.Max - daily.Remaining - 1, nil
}

// rowTimes gives the time at which each account was made, by its external id.
func rowTimes(web string) (map[string]time.Time, error) {
	type answer struct {
		Done    bool
		Next    string `json:"nextRecordsUrl"`
		Records []struct {
			ID  string `json:"Id"`
			ERP string `json:"ERP_Id__c"`
		}
	}
	keys := make(map[string]string)
	for path := "/services/data/v64.0/query?q=" + url.QueryEscape("SELECT Id, ERP_Id__c FROM Account"); path != ""; {
		var a answer
		if err := ask(web, path, &a); err != nil {
			return nil, err
		}
		for _, r := range a.Records {
			keys[r.ID] = r.ERP
		}
		path = a.Next
	}
	var ledger struct {
		Entries []struct {
			RecordID   string    `json:"record_id"`
			ChangeType string    `json:"change_type"`
			At         time.Time `json:"at"`
		}
	}
	res, err := http.Get("http://" + web + "/_control/ledger/entries")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&ledger); err != nil {
		return nil, err
	}
	times := make(map[string]time.Time)
	for _, e := range ledger.Entries {
		if e.ChangeType == "CREATE" {
			times[keys[e.RecordID]] = e.At
		}
	}
	return times, nil
}
