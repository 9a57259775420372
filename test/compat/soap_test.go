//go:build compat

package compat_test

import (
	"slices"
	"testing"

	"sfbridge/orgsim"
)

func TestJSForce_UndeletesAndMergesBySOAP(t *testing.T) {
	org, c := start(t)
	var got struct {
		IDs, Back  []string
		Undeleted  []bool
		Code, Lost string
		Merged     bool
		MergeError string
	}
	run(t, c, &got, "node", "clients/jsforce_soap.cjs")

	if !slices.Equal(got.Undeleted, []bool{true, true, false}) || !slices.Equal(got.Back, got.IDs) || got.Code != "UNDELETE_FAILED" {
		t.Errorf("undeleted %+v", got)
	}
	if !got.Merged || org.Get(got.IDs[0]).Get("Phone") != orgsim.String("2") || org.Get(got.IDs[1]).Get("MasterRecordId") != orgsim.String(got.IDs[0]) {
		t.Errorf("merged %v (%s): winner %v, loser %v", got.Merged, got.MergeError, org.Get(got.IDs[0]).Fields(), org.Get(got.IDs[1]))
	}
	if got.Lost != "sf:INVALID_SESSION_ID" {
		t.Errorf("a lost session is %q to the client", got.Lost)
	}
}
