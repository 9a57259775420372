// Package expression compiles what the configuration says about a record:
// paths into it, such as address.city, and expressions in the language of
// expr-lang for the rest. A path tells a value that is null from one that is
// not there, and hands numbers on with all their digits.
package expression
