package soql

import (
	"strconv"
	"strings"
	"time"
)

// dateNames are the date literals without a number.
var dateNames = map[string]bool{
	"YESTERDAY": true, "TODAY": true, "TOMORROW": true,
	"LAST_WEEK": true, "THIS_WEEK": true, "NEXT_WEEK": true,
	"LAST_MONTH": true, "THIS_MONTH": true, "NEXT_MONTH": true,
	"LAST_QUARTER": true, "THIS_QUARTER": true, "NEXT_QUARTER": true,
	"LAST_YEAR": true, "THIS_YEAR": true, "NEXT_YEAR": true,
	"LAST_90_DAYS": true, "NEXT_90_DAYS": true,
}

// dateCounted are those with one: LAST_N_DAYS:30.
var dateCounted = map[string]bool{
	"LAST_N_DAYS": true, "NEXT_N_DAYS": true, "N_DAYS_AGO": true,
	"LAST_N_WEEKS": true, "NEXT_N_WEEKS": true, "LAST_N_MONTHS": true, "NEXT_N_MONTHS": true,
	"LAST_N_YEARS": true, "NEXT_N_YEARS": true,
}

// dateRange turns a date literal into the days [from, to) that it covers, in
// UTC. The week starts on Sunday, as in an org with the locale en_US.
func dateRange(text string, now time.Time) (from, to time.Time) {
	name, count, _ := strings.Cut(strings.ToUpper(text), ":")
	n, _ := strconv.Atoi(count)
	now = now.UTC()
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	week := day.AddDate(0, 0, -int(day.Weekday()))
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	quarter := month.AddDate(0, -int(now.Month()-1)%3, 0)
	year := time.Date(now.Year(), 1, 1, 0, 0, 0, 0, time.UTC)

	when, unit, found := strings.Cut(name, "_")
	switch {
	case name == "TODAY", name == "YESTERDAY", name == "TOMORROW":
		shift := map[string]int{"TODAY": 0, "YESTERDAY": -1, "TOMORROW": 1}[name]
		return day.AddDate(0, 0, shift), day.AddDate(0, 0, shift+1)
	case name == "N_DAYS_AGO":
		return day.AddDate(0, 0, -n), day.AddDate(0, 0, -n+1)
	case name == "LAST_90_DAYS", name == "LAST_N_DAYS":
		return day.AddDate(0, 0, -countOr(n, name)), day.AddDate(0, 0, 1) // today counts
	case name == "NEXT_90_DAYS", name == "NEXT_N_DAYS":
		return day.AddDate(0, 0, 1), day.AddDate(0, 0, 1+countOr(n, name))
	case !found:
		return day, day
	}
	size, shift := 1, map[string]int{"LAST": -1, "THIS": 0, "NEXT": 1}[when]
	if rest, ok := strings.CutPrefix(unit, "N_"); ok {
		unit, size = strings.TrimSuffix(rest, "S"), n
	}
	start := shift
	if shift < 0 {
		start = -size
	}
	switch unit {
	case "WEEK":
		return week.AddDate(0, 0, 7*start), week.AddDate(0, 0, 7*(start+size))
	case "MONTH":
		return month.AddDate(0, start, 0), month.AddDate(0, start+size, 0)
	case "QUARTER":
		return quarter.AddDate(0, 3*start, 0), quarter.AddDate(0, 3*(start+size), 0)
	default:
		return year.AddDate(start, 0, 0), year.AddDate(start+size, 0, 0)
	}
}

func countOr(n int, name string) int {
	if strings.Contains(name, "_90_") {
		return 90
	}
	return n
}
