// Package compat runs Salesforce clients from elsewhere against the simulated
// org, which keeps the simulation honest: what they cannot do with it, it does
// wrong. The tests need the build tag compat, Node.js and Python.
package compat
