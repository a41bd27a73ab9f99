package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// bench is one run of this program: what it built, where it writes, what it found.
type bench struct {
	dir              string // for everything that is written but the results
	tools            tools
	ports            portRange
	certificate, key string // paths; for TLS
	short            bool   // one round of a few seconds, to prove the runner
	cores            cores
	kernel           []int // processes of the kernel that work for whoever is measured
	disturbed        int   // how many runs in a row others disturbed, however often they were repeated
	rounds           int
	foreign          float64   // percent of a core that others may take before a run is repeated
	files            int       // descriptors that a process may have
	log              io.Writer // progress
	began            time.Time
	results          results
}

// options are what a run is asked for.
type options struct {
	short     bool
	rounds    int
	foreign   float64
	rows      *regexp.Regexp
	firstPort int
	out       string // file for the page; empty: none
	peers     bool   // install what is missing
	weir      string // a server that was built already; empty: build it
}

// wants says whether a row is asked for.
func (o options) wants(row string) bool { return o.rows == nil || o.rows.MatchString(row) }

// portsCount is how many ports are cycled through; udpFirst is where UDP viewers' begin, as an offset to the first of them. Chosen.
const (
	portsCount = 100
	udpOffset  = 1500
)

// open builds the tools and makes the working folder.
func open(ctx context.Context, o options, log io.Writer) (*bench, error) {
	b := &bench{short: o.short, rounds: o.rounds, foreign: o.foreign, log: log, began: time.Now()}
	b.ports.first, b.ports.count = o.firstPort, portsCount
	var err error
	if b.cores, err = twoCores(); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp("", "weir-bench-"); err != nil {
		return nil, err
	}
	if err = b.prepare(ctx, o); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) prepare(ctx context.Context, o options) error {
	if err := os.Chmod(b.dir, 0o755); err != nil { // some servers read their files as nobody
		return err
	}
	b.say("building the tools")
	var err error
	if b.tools, err = buildTools(b.dir); err != nil {
		return err
	}
	if b.tools.weir = o.weir; b.tools.weir == "" {
		b.say("building weir")
		if err = b.tools.buildWeir(b.dir); err != nil {
			return err
		}
	}
	if o.wants("tax") {
		b.say("building weir with native plugins")
		if err = b.tools.buildNative(ctx, b.dir); err != nil {
			b.results.problem("tax", err)
		}
	}
	if b.certificate, b.key, err = writeCertificate(b.dir); err != nil {
		return err
	}
	b.kernel = softwareInterrupts()
	b.files = raiseFiles()
	b.say("%d descriptors for each process", b.files)
	return nil
}

func (b *bench) close() { _ = os.RemoveAll(b.dir) }

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.log, "%6.0f s  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// run measures the rows that match and writes the page after each of them.
func (b *bench) run(ctx context.Context, o options) error {
	b.results.machine = describeMachine(b)
	for _, r := range rows() {
		if !o.wants(r.name) {
			continue
		}
		b.say("== %s: %s", r.name, r.what)
		if err := r.run(ctx, b); err != nil {
			b.say("%s: %v", r.name, err)
			b.results.problem(r.name, err)
		}
		if o.out != "" {
			if err := os.WriteFile(filepath.Clean(o.out), []byte(b.results.page()), 0o644); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// here are those of some contenders that can be measured; the others are noted once.
func (b *bench) here(f form, all ...*contender) []*contender {
	var list []*contender
	for _, c := range all {
		if !c.takes(f) {
			continue
		}
		if no := c.missing(b); no != "" {
			b.results.absent(c.name, no)
			continue
		}
		list = append(list, c)
	}
	return list
}
