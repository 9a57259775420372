package rows_test

import (
	"strings"
	"testing"

	"sfbridge/internal/flow"
)

func TestRejection_HasTheCodeThatTheOrgWouldAnswerWith(t *testing.T) {
	for _, c := range []struct {
		field string
		value any
		code  string
	}{
		{"Name", strings.Repeat("x", 13), "STRING_TOO_LONG"},
		{"Total__c", "1.234,56", "INVALID_TYPE_ON_FIELD_IN_RECORD"},
		{"Total__c", n("123456789012345678"), "NUMBER_OUTSIDE_VALID_RANGE"},
		{"Stage__c", "Mud", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"},
		{"Account__c", "not an id", "MALFORMED_ID"},
	} {
		_, err := with(t, upserts(t, c.field), c.field, c.value)
		if why := rejected(t, err, flow.BadValue, c.field); why.Code != c.code {
			t.Errorf("%s: code %s, want %s (%v)", c.field, why.Code, c.code, why)
		}
	}
}
