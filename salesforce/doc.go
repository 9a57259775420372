// Package salesforce calls an org's REST API: versions, limits, describe,
// queries, and writes of one row or of up to 200 by sObject Collections.
// Requests go in with the org's shared session; decoded answers come out, with
// numbers as the digits that were sent. Each answer also tells how many of the
// day's API calls are used. REST cannot undelete, so that one call is the SOAP
// API's.
//
// A write that may be made twice without harm (update, upsert by external id,
// delete) is made again with back-off when it fails in a way that may pass. An
// insert is not, unless the org surely did nothing: a lost answer is
// ErrUnknownOutcome. Limits that are used up are never waited for here.
//
// Values are text, booleans, integers, json.Number and nil. Floats are
// refused, since a number that went through one may have lost digits.
package salesforce
