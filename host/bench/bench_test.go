package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/plugin/builtin"
)

// TestMain is also the program itself, which starts itself as a source.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		if err := command(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// without skips a test that lacks something, and fails it where nothing may be skipped.
func without(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" && os.Geteuid() == 0 {
		t.Fatal(what)
	}
	t.Skip(what)
}

// TestShortRun proves the runner: it builds the tools and weir, and measures 200 viewers of weir and of the floor. No figure is judged but that it is one:
// tests beside this one may take all cores.
func TestShortRun(t *testing.T) {
	for _, program := range []string{"taskset", "cc"} {
		if _, err := exec.LookPath(program); err != nil {
			without(t, program+" is not installed")
		}
	}
	if _, err := twoCores(); err != nil {
		without(t, err.Error())
	}
	t.Chdir("../..")
	if _, err := builtin.Module("http"); err != nil {
		without(t, err.Error())
	}
	log := &bytes.Buffer{}
	b, err := open(t.Context(), options{short: true, rounds: 1, rows: regexp.MustCompile("^cpu-"), firstPort: 22600}, log)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	out := filepath.Join(t.TempDir(), "RESULTS.md")
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute) // it takes 15 s where nothing else runs
	defer stop()
	if err = b.run(ctx, options{rows: regexp.MustCompile("^cpu-"), out: out}); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if len(b.results.problems) > 0 {
		t.Fatalf("%q\n%s", b.results.problems, log)
	}
	for _, row := range []string{"cpu-ts", "cpu-mmsh"} {
		for _, who := range []string{"weir", floorSame} {
			all := b.results.of(row, "200 × 1 Mbit/s", who)
			if len(all) != 1 {
				t.Fatalf("%s: %d runs of %s\n%s", row, len(all), who, log)
			}
			x := all[0]
			if x.Joined != 200 || x.MB < 1 || x.cpuPerGB <= 0 || x.Gap.Max <= 0 || who == "weir" && x.bytesPerSend < 1000 {
				t.Errorf("%s, %s: %d joined, %g MB, %g s/GB, worst gap %g ms, %g bytes a send", row, who, x.Joined, x.MB, x.cpuPerGB, x.Gap.Max, x.bytesPerSend)
			}
		}
	}
	page, err := os.ReadFile(out)
	if err != nil || !bytes.Contains(page, []byte("| cpu-ts | 200 × 1 Mbit/s |")) || len(b.results.ratios) != 2 {
		t.Errorf("%d ratios, page: %v\n%s", len(b.results.ratios), err, page)
	}
	if t.Failed() {
		t.Log(log)
	}
}

func TestArguments(t *testing.T) {
	for _, c := range []struct {
		args string
		fine bool
	}{{"", true}, {"-short -rows ^cpu", true}, {"-rounds 0", false}, {"-rows (", false}, {"rubbish", false}, {"-nothing", false}} {
		if _, _, err := parse(strings.Fields(c.args), io.Discard); (err == nil) != c.fine {
			t.Errorf("%q: %v", c.args, err)
		}
	}
	if _, _, err := parse([]string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
	o, _, _ := parse([]string{"-rows", "^cpu"}, io.Discard)
	if !o.wants("cpu-ts") || o.wants("tax") {
		t.Error("-rows chooses other rows")
	}
}

func TestQuotientPairsRounds(t *testing.T) {
	var r results
	for i, c := range [][2]float64{{2, 1}, {9, 3}, {8, 2}} { // the second round was disturbed for both
		r.round = i
		r.add("row", "cell", "weir", shot{cpuPerGB: c[0]})
		r.add("row", "cell", "floor", shot{cpuPerGB: c[1]})
	}
	if q := r.quotient("row", "cell", "weir", "floor", cpuPerGB); q != 3 {
		t.Errorf("quotient %v, want the median of 2, 3 and 4", q)
	}
	if m := r.figure("row", "cell", "weir", cpuPerGB); m != 8 {
		t.Errorf("median %v, want 8", m)
	}
	if m := r.figure("row", "cell", "nobody", cpuPerGB); m != 0 {
		t.Errorf("median of nothing: %v", m)
	}
}

func TestMet(t *testing.T) {
	for _, c := range []struct {
		r    ratio
		want string
	}{
		{ratio{ratio: 1.15, limit: 1.15}, "yes"}, {ratio{ratio: 1.16, limit: 1.15}, "**no**"}, {ratio{ratio: 7}, ""},
		{ratio{ratio: 1, limit: 1, atLeast: true}, "yes"}, {ratio{ratio: 0.9, limit: 1, atLeast: true}, "**no**"},
		{ratio{ratio: math.NaN(), limit: 1}, "**no**"},
	} {
		if got := c.r.met(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.r, got, c.want)
		}
	}
}

// TestPeerIsMetAtItsGap: weir is compared at the cheapest latency whose worst gap is no longer than the peer's.
func TestPeerIsMetAtItsGap(t *testing.T) {
	b := &bench{log: io.Discard}
	r := &cpuRow{bench: b, name: "cpu", peers: []*contender{icecast}, matched: map[int][]time.Duration{}}
	c := crowd{200, 1000}
	add := func(who string, cost, gap float64) {
		b.results.add("cpu", c.String(), who, shot{cpuPerGB: cost, report: report{Gap: spread{Max: gap}}})
	}
	add("weir", 1, 52)
	add(icecast.name, 5, 21)
	r.matched[1000] = r.match(1000, []int{200})
	if want := []time.Duration{5 * time.Millisecond, 10 * time.Millisecond}; !slices.Equal(r.matched[1000], want) {
		t.Fatalf("latencies %v, want %v: chunks are 10.5 ms apart", r.matched[1000], want)
	}
	add(weirAt(5*time.Millisecond), 4, 20)
	add(weirAt(10*time.Millisecond), 3, 28)
	if who, note := r.cheapest(c, 21); who != weirAt(5*time.Millisecond) || note != "" {
		t.Errorf("beside a gap of 21 ms: %s %s", who, note)
	}
	if who, _ := r.cheapest(c, 60); who != "weir" {
		t.Errorf("beside a gap of 60 ms: %s", who)
	}
	if who, note := r.cheapest(c, 3); who != weirAt(5*time.Millisecond) || note == "" {
		t.Errorf("beside a gap of 3 ms: %s %q", who, note)
	}
}

func TestBisect(t *testing.T) {
	for _, c := range []struct{ guess, top, limit int }{
		{8000, 18000, 18000}, {8000, 18000, 50000}, {8000, 18000, 12345}, {4500, 18000, 1800}, {4500, 18000, 10}, {12000, 9000, 8000},
	} {
		tries := 0
		got, err := bisect(c.guess, c.top, func(n int) (bool, error) {
			tries++
			return n <= c.limit, nil
		})
		if err != nil || tries > 12 {
			t.Errorf("%+v: %d tries, %v", c, tries, err)
		}
		want := min(c.limit, c.top)
		if got.n > want || want > fewest && float64(want-got.n) > nearness*float64(want)*1.2 || got.more != (c.limit >= c.top) {
			t.Errorf("%+v: %v after %d tries", c, got, tries)
		}
	}
	broken := errors.New("broken")
	if got, err := bisect(100, 1000, func(n int) (bool, error) { return n == 100, map[bool]error{true: broken}[n > 100] }); !errors.Is(err, broken) || got.n != 100 {
		t.Errorf("a failure: %v, %v", got, err)
	}
}

func TestFittingLatencies(t *testing.T) {
	for _, x := range []struct {
		gap        float64 // ms
		kbit       int
		sure, bold int // ms
	}{{3, 1000, 5, 5}, {28, 1000, 10, 20}, {40, 1000, 20, 30}, {192, 1000, 150, 150}, {40, 4000, 30, 30}, {1000, 4000, 200, 200}} {
		want := []time.Duration{time.Duration(x.sure) * time.Millisecond, time.Duration(x.bold) * time.Millisecond}
		if got := fitting(x.gap, x.kbit); !slices.Equal(got, want) {
			t.Errorf("gap %v ms at %d kbit/s: %v; want %v", x.gap, x.kbit, got, want)
		}
	}
}
