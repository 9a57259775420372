// Package soql reads and runs the documented part of SOQL that the simulated
// org answers: a query text comes in, a plan bound to the org's objects goes
// out, and the plan runs over rows that the caller supplies. It knows neither
// HTTP nor how rows are kept.
//
// What it understands:
//
//   - SELECT with fields, parent paths (Account.Owner.Name), child sub-queries,
//     FIELDS(ALL), FIELDS(STANDARD), FIELDS(CUSTOM), COUNT(), and the
//     aggregates COUNT, COUNT_DISTINCT, MIN, MAX without GROUP BY;
//   - WHERE with = != <> < <= > >= LIKE, IN, NOT IN (lists and sub-queries),
//     INCLUDES, EXCLUDES, AND, OR, NOT and parentheses;
//   - literals: strings, numbers, true, false, null, dates, datetimes, times and
//     date literals such as TODAY, THIS_MONTH and LAST_N_DAYS:30 (in UTC);
//   - ORDER BY with ASC, DESC, NULLS FIRST, NULLS LAST; LIMIT; OFFSET;
//     FOR VIEW, FOR REFERENCE, FOR UPDATE and ALL ROWS are read, the first
//     three without effect.
//
// GROUP BY, HAVING, TYPEOF, WITH, distance functions and currency conversion
// are refused as MALFORMED_QUERY.
package soql
