package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/orgsim"
)

// liveReader follows the topics as any consumer would and notes when each
// event arrived.
type liveReader struct {
	client *kgo.Client
	wg     sync.WaitGroup
	more   chan struct{} // holds one token when something arrived

	mu      sync.Mutex           // guards the rest
	n       int                  // changes and events
	settled int                  // results and dead letters
	arrived map[string]time.Time // by event uuid and key
}

func startLiveReader(broker string) (*liveReader, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeRegex(), kgo.ConsumeTopics(`^sf\.(cdc\..*|event\..*|results|dlq)$`), kgo.MetadataMinAge(100*time.Millisecond),
		kgo.MetadataMaxAge(time.Second), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("reader of the topics: %w", err)
	}
	r := &liveReader{client: client, more: make(chan struct{}, 1), arrived: make(map[string]time.Time)}
	r.wg.Go(r.follow)
	return r, nil
}

func (r *liveReader) follow() {
	for {
		fetches := r.client.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		now := time.Now()
		r.mu.Lock()
		fetches.EachRecord(func(rec *kgo.Record) {
			if isOutcome(rec) {
				r.settled++
				return
			}
			r.n++
			for _, h := range rec.Headers {
				if h.Key == "ce_id" {
					r.arrived[string(h.Value)+string(rec.Key)] = now
				}
			}
		})
		r.mu.Unlock()
		select {
		case r.more <- struct{}{}:
		default:
		}
	}
}

func (r *liveReader) close() {
	r.client.Close()
	r.wg.Wait()
}

func (r *liveReader) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

// outcomes is how many records of the ERP system have an outcome.
func (r *liveReader) outcomes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.settled
}

// waitFor returns when a count has reached n, or ctx is over.
func (r *liveReader) waitFor(ctx context.Context, count func() int, n int) {
	for count() < n {
		select {
		case <-r.more:
		case <-ctx.Done():
			return
		}
	}
}

// latencies gives the median and the 99th percentile, in milliseconds, from
// the commit of a change in the org to its arrival at a reader.
func (r *liveReader) latencies(ledger []orgsim.LedgerEntry) (p50, p99 float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []time.Duration
	for _, e := range ledger {
		key := e.RecordID
		if e.ChangeType == "" {
			key = e.UUID
		}
		if at, ok := r.arrived[e.UUID+key]; ok {
			all = append(all, at.Sub(e.At))
		}
	}
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	ms := func(q int) float64 { return float64(all[(len(all)-1)*q/100].Microseconds()) / 1000 }
	return ms(50), ms(99)
}

// place names a record by where it is.
func place(r *kgo.Record) string { return fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset) }

// isOutcome tells whether a record says what became of one that was written back.
func isOutcome(r *kgo.Record) bool { return r.Topic == "sf.results" || r.Topic == "sf.dlq" }

// isChange tells whether a record is a change or an event of the org.
func isChange(r *kgo.Record) bool {
	return strings.HasPrefix(r.Topic, "sf.cdc.") || strings.HasPrefix(r.Topic, "sf.event.")
}
