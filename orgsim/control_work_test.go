package orgsim_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/orgsim"
)

func TestControl_PeopleAtWorkUntilStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t, orgsim.Config{})
		if out := steered(t, org, "GET", "/work", ""); out["running"] != false {
			t.Errorf("before: %v", out)
		}
		steered(t, org, "POST", "/work", `{"rate":100,"seed":7}`)
		if status, out := steer(t, org, "POST", "/work", ""); status != 400 {
			t.Errorf("second start: %d %v, want 400", status, out)
		}
		time.Sleep(10 * time.Second)
		out := steered(t, org, "DELETE", "/work", "")
		counts, _ := out["counts"].(map[string]any)
		if made, _ := counts["changes"].(float64); out["running"] != false || made < 500 || org.Ledger().Total() == 0 {
			t.Errorf("after 10 s at 100 a second: %v", out)
		}
		steered(t, org, "POST", "/work", `{"objects":["Nope"]}`)
		synctest.Wait()
		if out := steered(t, org, "GET", "/work", ""); out["running"] != false || !strings.Contains(out["error"].(string), "Nope") {
			t.Errorf("work with an object that is not there: %v", out)
		}
		steered(t, org, "POST", "/work", "") // ends with the org
	})
}
