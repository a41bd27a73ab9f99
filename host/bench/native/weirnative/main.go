// Command weirnative builds weir with the first-party plugins linked in, for measurements: go run ./host/bench/native/weirnative OUT.
//
// It owns its argument, the file to write. It never runs what it has built.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/weir-media/weir/host/bench/native"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: weirnative OUT")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := native.Build(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
