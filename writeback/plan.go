package writeback

import (
	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

// plan is how records become rows, by one description of the object. It does
// not change; another description makes another plan.
type plan struct {
	object *salesforce.Object
	mapper *rows.Mapper
}
