package writeback_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/internal/flow"
	"sfbridge/orgsim"
	"sfbridge/writeback"
	"sfbridge/writeback/rows"
)

func TestFlow_SteadyTraffic_IsInTheOrgSoon(t *testing.T) {
	inBubble(t, orgsim.Config{REST: orgsim.RESTConfig{Latency: 80 * time.Millisecond}}, func(t *testing.T, r *rig) {
		p := r.start(r.config())
		r.put(0, order{"id": "first"})
		r.settled(1, time.Minute)
		const n = 500
		for i := range n {
			r.put(int32(i%2), order{"id": fmt.Sprint("A", i), "notes": "n"})
			time.Sleep(20 * time.Millisecond)
		}
		done, _ := r.settled(n+1, time.Minute)
		var took []time.Duration
		for _, x := range done {
			if x.Key != "first" {
				took = append(took, x.Time.Sub(x.Source.Time))
			}
		}
		slices.Sort(took)
		if p99 := took[len(took)*99/100]; p99 > 300*time.Millisecond {
			t.Errorf("p99 is %s, the median %s", p99, took[len(took)/2])
		}
		p.stop()
	})
}

func TestFlow_RowThatTheOrgBreaksDownOver_IsSetAsideAndHoldsUpNobody(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		r.web.Transport = &poison{next: r.web.Transport, word: "poison"}
		orders := make([]order, 50)
		for i := range orders {
			orders[i] = order{"id": fmt.Sprint("A", i), "notes": "n"}
		}
		orders[20]["notes"] = "poison"
		r.put(0, orders...)
		p := r.start(r.config())
		for i := range 20 { // others fare better
			time.Sleep(10 * time.Second)
			r.put(1, order{"id": fmt.Sprint("B", i)})
		}
		done, dead := r.settled(70, 20*time.Minute)
		if d := dead[source+"/0/20"]; len(done) != 69 || d.Code != "UNKNOWN_EXCEPTION" || d.Attempts < 8 {
			t.Errorf("%d results, dead letters %+v", len(done), dead)
		}
		for i := range 50 {
			if x, ok := done[fmt.Sprint(source, "/0/", i)]; ok && x.Time.Sub(x.Source.Time) > time.Minute {
				t.Errorf("row %d was held up: %s", i, x.Time.Sub(x.Source.Time))
			}
		}
		p.stop()
	})
}

func TestFlow_StorageIsFull_RowsWait(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		r.org.InjectHTTP(orgsim.HTTPFault{Method: "PATCH", Path: "sobjects", Status: 400, Code: "STORAGE_LIMIT_EXCEEDED", Text: "storage limit exceeded", Count: 2})
		p := r.start(r.config())
		r.put(0, order{"id": "A"})
		time.Sleep(time.Minute)
		if st := p.flow.Status(); st.State != flow.AtLimit || !strings.Contains(p.flow.Problem(), "storage") {
			t.Errorf("status %+v, problem %q", st, p.flow.Problem())
		}
		if _, dead := r.settled(1, time.Hour); len(dead) > 0 {
			t.Errorf("dead letters %+v", dead)
		}
		p.stop()
	})
}

func TestFlow_LetterTooLargeForItsTopic_ComesWithoutTheValue(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		limit := "20000"
		if _, err := kadm.NewClient(r.in).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "max.message.bytes", Value: &limit}}, letters); err != nil {
			t.Fatal(err)
		}
		noise := make([]byte, 60_000)
		x := uint32(7)
		for i := range noise {
			x = x*1664525 + 1013904223
			noise[i] = 'a' + byte(x>>24)%26
		}
		r.putRecords(&kgo.Record{Topic: source, Key: []byte("A"), Value: append([]byte("{no json "), noise...)})
		p := r.start(r.config())
		_, dead := r.settled(1, time.Minute)
		if d := dead[source+"/0/0"]; d.Reason != flow.Undecodable || len(d.Value) != 0 || string(d.RecordKey) != "A" || d.Tombstone {
			t.Errorf("letter %+v", d)
		}
		p.stop()
	})
}

func TestFlow_PositionIsGone_StopsAndSaysSo(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		p := r.start(r.config())
		r.put(0, order{"id": "A"})
		r.settled(1, time.Minute)
		p.stop()
		for i := range 20 {
			r.put(0, order{"id": fmt.Sprint("B", i)})
		}
		offsets := kadm.Offsets{}
		offsets.Add(kadm.Offset{Topic: source, Partition: 0, At: 15})
		if _, err := kadm.NewClient(r.in).DeleteRecords(t.Context(), offsets); err != nil {
			t.Fatal(err)
		}
		q := r.start(r.config())
		err := <-q.done
		q.gone = true
		if err == nil || !strings.Contains(err.Error(), source) {
			t.Fatalf("error %v", err)
		}
		if st := q.flow.Status(); st.State != flow.Stopped || !strings.Contains(q.flow.Problem(), source) {
			t.Errorf("status %+v, problem %q", st, q.flow.Problem())
		}
	})
}

func TestPrepare_NamesWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*rig, *writeback.Config)
		want   string
		passes bool
	}{
		"no such object": {change: func(_ *rig, c *writeback.Config) { c.Rows.Object = "Nope__c" }, want: "Nope__c"},
		"no such field":  {change: func(_ *rig, c *writeback.Config) { c.Rows.Fields["Nope__c"] = "x" }, want: "Nope__c"},
		"no such topic":  {change: func(_ *rig, c *writeback.Config) { c.Consumer.Topic = "nope" }, want: "nope", passes: true},
		"org away": {change: func(r *rig, _ *writeback.Config) {
			r.org.InjectHTTP(orgsim.HTTPFault{Status: 503})
		}, want: "503", passes: true},
		"version field": {change: func(_ *rig, c *writeback.Config) {
			c.Conflict, c.VersionField = writeback.NewerWins, "Nope__c"
		}, want: "Nope__c"},
		"all well": {change: func(*rig, *writeback.Config) {}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
				cfg := r.config()
				tc.change(r, &cfg)
				f, err := writeback.New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				err = f.Prepare(t.Context())
				if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) || writeback.Retryable(err) != tc.passes {
					t.Errorf("error %v, passes %v", err, writeback.Retryable(err))
				}
			})
		})
	}
}

func TestNew_RefusesWhatCannotWork(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		for name, change := range map[string]func(*writeback.Config){
			"no topic":       func(c *writeback.Config) { c.Consumer.Topic = "" },
			"no object":      func(c *writeback.Config) { c.Rows = rows.Config{} },
			"no letters":     func(c *writeback.Config) { c.DeadLetterTopic = "" },
			"reserve of all": func(c *writeback.Config) { c.Reserve = 1 },
			"no API":         func(c *writeback.Config) { c.API = nil },
		} {
			cfg := r.config()
			change(&cfg)
			if _, err := writeback.New(cfg); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
	})
}
