// Command docgen writes docs/configuration.md from the tables that package
// config decodes with. Run it from the top folder of the module:
//
//	go run ./internal/docgen
package main

import (
	"fmt"
	"os"
)

const page = "docs/configuration.md"

func main() {
	if err := os.WriteFile(page, render(), 0o644); err != nil {
		fmt.Fprintf(os.Stderr, "docgen: %v\n", err)
		os.Exit(1)
	}
}
