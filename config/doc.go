// Package config reads the bridge's configuration file: strict YAML in, a plain
// tree of checked values out.
//
// Each section of the file is a struct here, and its keys method is the one
// table that the decoder, the defaults, the range checks and
// docs/configuration.md are all made from. All problems of a file are reported
// at once, each with its line, its key and what to do about it; see [Error].
//
// The package opens no connections and starts nothing. It reads the
// configuration file, and the files and environment variables named in it.
package config
