package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second ^C ends at once: what was started ends with this program
	if err := command(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// command is the program. It starts itself as a source and as viewers: these are its subcommands.
func command(ctx context.Context, args []string, out, log io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "source-asf":
			return asfSource(args[1:])
		case "viewers-tls":
			return viewersTLS(args[1:], out)
		}
	}
	o, list, err := parse(args, log)
	if err != nil {
		return err
	}
	if list {
		for _, r := range rows() {
			fmt.Fprintf(out, "%-9s %s\n", r.name, r.what)
		}
		return nil
	}
	if _, err = os.Stat("host/bench/doc.go"); err != nil {
		return errors.New("run it in the repository's folder: make bench")
	}
	if o.peers {
		if err = installPeers(log); err != nil {
			return err
		}
	}
	b, err := open(ctx, o, log)
	if err != nil {
		return err
	}
	defer b.close()
	err = b.run(ctx, o)
	fmt.Fprint(out, b.results.tables())
	return err
}

func parse(args []string, log io.Writer) (o options, list bool, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(log)
	rowNames := f.String("rows", "", "regular expression for the rows to measure; all if empty")
	f.BoolVar(&list, "list", false, "print the rows and end")
	f.BoolVar(&o.short, "short", false, "one round of a few seconds for each row: proves the runner, measures nothing")
	f.IntVar(&o.rounds, "rounds", 3, "rounds; medians are shown")
	f.Float64Var(&o.foreign, "foreign", foreignLimit, "repeat a run while others take more than so many percent of a core")
	f.IntVar(&o.firstPort, "port", 21500, "first of 100 ports for servers; UDP viewers have the 1,000 from 1,500 above it")
	f.StringVar(&o.out, "o", "", "also write the page to this file, after each row")
	f.StringVar(&o.weir, "weir", "", "measure this server rather than build one")
	f.BoolVar(&o.peers, "peers", false, "install the peers that are missing (root, Debian)")
	if err = f.Parse(args); err != nil {
		return o, list, err
	}
	if o.rounds < 1 || f.NArg() > 0 {
		return o, list, fmt.Errorf("no such argument: %v; -rounds is 1 or more", f.Args())
	}
	if o.short {
		o.rounds = 1
	}
	if *rowNames != "" {
		o.rows, err = regexp.Compile(*rowNames)
	}
	return o, list, err
}
