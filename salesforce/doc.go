// Package salesforce calls an org's REST API: versions, limits, describe,
// queries. Requests go in with the org's shared session; decoded answers come
// out, with numbers as the digits that were sent. Each answer also tells how
// many of the day's API calls are used.
package salesforce
