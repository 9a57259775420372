package e2e

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"sfbridge/internal/sandbox"
	"sfbridge/orgsim"
)

// TestKills_AtRandomMoments_EveryChangeOnce runs processes on hosts of their
// own that die, vanish and come back, while streams, brokers and the registry
// have bad moments too. SFBRIDGE_TEST_SEED runs one seed, SFBRIDGE_TEST_SEEDS
// so many.
func TestKills_AtRandomMoments_EveryChangeOnce(t *testing.T) {
	first, n := seeds()
	for seed := first; seed < first+n; seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { kills(t, seed) })
	}
}

// seeds says which to run: the first and how many.
func seeds() (first, n uint64) {
	first, n = 1, 6
	if text := os.Getenv("SFBRIDGE_TEST_SEED"); text != "" {
		first, _ = strconv.ParseUint(text, 10, 64)
		n = 1
	} else if text := os.Getenv("SFBRIDGE_TEST_SEEDS"); text != "" {
		n, _ = strconv.ParseUint(text, 10, 64)
	}
	return first, n
}

func kills(t *testing.T, seed uint64) {
	org := enrichedOrg(seed)
	org.MaxBatch = 1 + int(seed*7%100)
	bubble(t, org, func(s *system) {
		k := &killing{system: s, rng: rand.New(rand.NewPCG(seed, 9)), procs: make([]*running, 3)}
		for range k.procs {
			h := s.host()
			defer h.close()
			k.hosts = append(k.hosts, h)
		}
		stop := s.work(40, seed)
		for range 60 {
			k.step()
			time.Sleep(time.Duration(k.rng.IntN(3000)) * time.Millisecond)
		}
		stop()
		s.sb.Org.Heal()
		for i, r := range k.procs {
			k.hosts[i].heal()
			if r != nil {
				r.kill(k.hosts[i])
			}
		}
		time.Sleep(time.Minute)
		cfg := s.config(k.channels()...)
		r := s.start(cfg)
		r.readyWithin(10 * time.Minute)
		v := k.verdict(10 * time.Minute)
		if v.ChangesMade < 1000 {
			t.Errorf("only %d changes: this tested little", v.ChangesMade)
		}
		r.stop()
	})
}

type killing struct {
	*system
	rng   *rand.Rand
	hosts []*host
	procs []*running
}

// channels are all kinds: one object alone, several in one enriched channel,
// and a platform event.
func (k *killing) channels() []string {
	return []string{salesChannel, opportunityChannel, orderChannel, channels[4]}
}

func (k *killing) step() {
	i := k.rng.IntN(len(k.procs))
	h, r := k.hosts[i], k.procs[i]
	switch {
	case r == nil:
		cfg := h.on(k.config(k.channels()...))
		cfg.SessionTimeout, cfg.Memory = 10*time.Second, 64<<10
		k.procs[i] = k.start(cfg)
		return
	case k.rng.IntN(3) == 0:
		r.kill(h)
		k.procs[i] = nil
		return
	case k.rng.IntN(8) == 0:
		h.heal()
		r.cancel()
		<-r.done // an error says that something was left behind, which is no loss
		r.b.Close()
		k.procs[i] = nil
		return
	}
	pause := time.Duration(k.rng.IntN(30)) * time.Second
	switch k.rng.IntN(8) {
	case 0:
		h.vanish()
		time.AfterFunc(pause, h.heal)
	case 1:
		h.each(h.net.Cut)
	case 2:
		k.net.Cut(k.sb.KafkaAddr)
	case 3:
		k.net.Blackhole(k.sb.KafkaAddr)
		time.AfterFunc(pause, func() { k.net.Heal(k.sb.KafkaAddr) })
	case 4:
		k.inject(orgsim.Fault{Kind: []orgsim.FaultKind{
			orgsim.FaultDisconnect, orgsim.FaultEnd, orgsim.FaultReset,
			orgsim.FaultGoAway, orgsim.FaultRedeliver, orgsim.FaultStall,
		}[k.rng.IntN(6)], After: k.rng.IntN(20), Delay: pause, Events: 1})
	case 5:
		k.sb.Org.RevokeAll(k.rng.IntN(2) == 0)
	case 6:
		addr := strings.TrimPrefix(k.sb.RegistryURL, "http://")
		k.net.Refuse(addr)
		time.AfterFunc(pause, func() { k.net.Heal(addr) })
	case 7:
		k.net.Latency(k.sb.KafkaAddr, time.Duration(k.rng.IntN(20))*time.Millisecond)
	}
}

// verdict waits until the topics are complete.
func (k *killing) verdict(d time.Duration) sandbox.Verdict {
	k.net.Heal(k.sb.KafkaAddr)
	return k.completeWithin(d)
}
