// Command weir is the live-media server and its tools: `weir serve` runs a server, the other commands ask one that runs, or work on files.
//
// Each command has a file of its own; `weir COMMAND --help` says what it does. A command translates words of the command line into one call of
// package host or of the admin API, and the answer into text; it decides nothing about the server.
package main

import (
	"context"
	"io"
	"os"
)

func main() {
	os.Exit(execute(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// execute runs one command line and gives its exit code.
func execute(ctx context.Context, args []string, out, errOut io.Writer) int {
	var run run
	root := newRoot(&run)
	root.SetArgs(unsigned(args))
	root.SetOut(out)
	root.SetErr(errOut)
	cmd, err := root.ExecuteContextC(ctx)
	return run.end(cmd, err, errOut)
}
