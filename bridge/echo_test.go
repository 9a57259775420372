package bridge

import (
	"testing"

	"sfbridge/writeback/echo"
	"sfbridge/writeback/rows"
)

func TestInboundStep_OthersChanges_CostNoMoreWhereEchoesAreJudged(t *testing.T) {
	batch, codec := preparedBatch(t)
	per := func(e *encoder) float64 {
		return testing.AllocsPerRun(50, func() {
			u, err := e.encode(t.Context(), batch)
			if err != nil {
				t.Fatal(err)
			}
			e.b.arenas.give(u.arena)
		})
	}
	without := benchEncoder(codec)
	with := benchEncoder(codec)
	with.echoes = (&echoes{registry: echo.NewRegistry(echo.RegistryConfig{Client: "sfbridge-crm"})}).judge(with.ch)
	if a, b := per(without), per(with); b > a+1 { // arenas may be collected between runs
		t.Errorf("%.0f allocations a response, %.0f where echoes are judged", a, b)
	}
}

func TestEchoes_AreJudgedWhereAnObjectIsBothCapturedAndWritten(t *testing.T) {
	account := []Writeback{{Topic: "t", Org: "main", Rows: rows.Config{Object: "account"}}}
	acme := map[string]OrgConfig{"main": {Namespace: "acme"}}
	for _, tt := range []struct {
		what    string
		orgs    map[string]OrgConfig
		channel string
		org     string
		writes  []Writeback
		want    bool
	}{
		{"the object's channel", nil, "/data/AccountChangeEvent", "main", account, true},
		{"another object's", nil, "/data/ContactChangeEvent", "main", account, false},
		{"another org's", nil, "/data/AccountChangeEvent", "other", account, false},
		{"all objects", nil, "/data/ChangeEvents", "main", account, true},
		{"a channel of several", nil, "/data/Sales__chn", "main", account, true},
		{"a platform event", nil, "/event/Account__e", "main", account, false},
		{"nothing is written", nil, "/data/AccountChangeEvent", "main", nil, false},
		{"with a namespace", acme, "/data/acme__Order__ChangeEvent", "main", []Writeback{{Org: "main", Rows: rows.Config{Object: "Order__c"}}}, true},
	} {
		c := Config{Orgs: tt.orgs, Captures: []Capture{{Org: tt.org, Channel: tt.channel}}, Writebacks: tt.writes}
		if got := c.hasEchoes(); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.what, got, tt.want)
		}
	}
}
