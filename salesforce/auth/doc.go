// Package auth logs in to an org and keeps one access token for all clients of
// that org: REST, Bulk, Pub/Sub and Streaming. A configuration goes in; tokens
// come out, fetched when one is first asked for and again when a client reports
// that the one it was given is no longer taken. It never calls the org for data.
package auth
