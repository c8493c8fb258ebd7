// Command shipctl ships new versions of programs to machines over SSH. This package is flags and wiring: it reads the
// command line into one struct, has the work done by config, planner and executor, and chooses the view that shows it.
// Nothing below cmd prints or exits.
package main

import "os"

// version is set by the linker: -X main.version=….
var version = "0.1.0-dev"

func main() {
	os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}
