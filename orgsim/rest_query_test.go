package orgsim_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/orgsim"
)

func fill(t testing.TB, org *orgsim.Org, n int) {
	t.Helper()
	_, err := org.Transact(t.Context(), orgsim.Caller{}, func(tx *orgsim.Tx) error {
		for i := range n {
			if _, err := tx.Insert("Account", vals{"Name": orgsim.String(fmt.Sprintf("A%05d", i)), "BillingCity": orgsim.String("Oslo")}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLocators_LiveTwoDays_AndShowTheRowsOfTheirQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, orgsim.Config{REST: orgsim.RESTConfig{QueryPageSize: 3, SharedCursors: true}})
		fill(t, a.org, 5)
		type page struct {
			TotalSize      int
			NextRecordsURL string `json:"nextRecordsUrl"`
			Records        []struct{ ID, Name string }
		}
		var first, second page
		a.query("SELECT Id, Name FROM Account ORDER BY Name").into(t, &first)
		a.do("DELETE", "/sobjects/Account/"+first.Records[0].ID, "").want(t, "delete", 204, "")
		time.Sleep(47 * time.Hour)
		a.org.AddToken(a.token, a.org.IntegrationUser())
		a.do("GET", first.NextRecordsURL, "").into(t, &second)
		if len(first.Records) != 3 || second.TotalSize != 5 || len(second.Records) != 2 || second.Records[1].Name != "A00004" || second.NextRecordsURL != "" {
			t.Errorf("pages %+v and %+v, want 3 and 2 rows of 5", first, second)
		}
		time.Sleep(2 * time.Hour)
		a.org.AddToken(a.token, a.org.IntegrationUser())
		a.do("GET", first.NextRecordsURL, "").wantError(t, "after two days", 400, "INVALID_QUERY_LOCATOR")
	})
}

func BenchmarkQueryPage(b *testing.B) {
	org, err := orgsim.New(orgsim.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer org.Close()
	fill(b, org, 2000)
	org.AddToken("t", org.IntegrationUser())
	target := "http://org.example" + v64 + "/query?q=" + url.QueryEscape("SELECT Id, Name, BillingAddress, SystemModstamp FROM Account ORDER BY SystemModstamp, Id")
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.Header.Set("Authorization", "Bearer t")
		w := httptest.NewRecorder()
		org.HTTPHandler().ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
		b.SetBytes(int64(w.Body.Len()))
	}
}
