package wasm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/weir-media/weir/abi/v1"
)

// workload is one of those that the price of the meter is measured on.
type workload struct {
	name, module, function string
	calls                  int // in one measurement, so that it takes about a millisecond
}

var workloads = []workload{
	{"C no-op call", "c", "noop", 20000},
	{"C integer loop 1M", "c", "loop", 1},
	{"C byte sum 1 MiB", "c", "sum", 1},
	{"C TS parser 1 MiB", "c", "parse", 20},
	{"C recursion (fib)", "c", "recurse", 20},
	{"Go TS parser 1 MiB", "go", "parse", 10},
	{"Go JSON ×100", "go", "json", 1},
	{"Go sha256 64 KiB", "go", "hash", 1},
}

var benchC = sync.OnceValues(func() ([]byte, error) {
	return compileC(filepath.Join("testdata", "bench", "bench.c"))
})

// compileC builds a C file without a library.
func compileC(file string, flags ...string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "weir-c-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "out.wasm")
	args := append([]string{"--target=wasm32", "-O2", "-nostdlib", "-Wl,--no-entry", "-Wl,--export-dynamic", "-o", out, file}, flags...)
	if text, err := exec.Command("clang", args...).CombinedOutput(); err != nil {
		return nil, errors.Join(err, errors.New(string(text)))
	}
	return os.ReadFile(out)
}

var benchGo = sync.OnceValues(func() ([]byte, error) { return buildGo("./testdata/bench/goguest") })

// needClang skips, or fails where the machine is the project's own.
func needClang(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("clang"); err != nil {
		if os.Getenv("CI") == "true" && os.Geteuid() == 0 {
			t.Fatal("no clang")
		}
		t.Skip("no clang")
	}
}

// contender is one way to run the workloads.
type contender struct {
	name    string
	world   *world
	ctx     context.Context //nolint:containedctx // of all its calls
	modules map[string][]api.Module
}

// contenders have so many instances of each module: where one lies in the memory may make it half as slow again, as plain as metered.
func contenders(t testing.TB, instances int) []*contender {
	t.Helper()
	stoppable, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	config := wazero.NewRuntimeConfigCompiler()
	all := []*contender{
		{name: "plain", world: newWorldWith(t, config, nil)},
		{name: "CloseOnDone", world: newWorldWith(t, config.WithCloseOnContextDone(true), nil)},
		{name: "metered", world: newWorldWith(t, config, &rewriter{})},
	}
	for _, c := range all {
		t.Cleanup(c.world.close)
		c.modules = map[string][]api.Module{}
		c.ctx = c.world.guest
		if c.name == "CloseOnDone" {
			c.ctx = &stopper{c.world.guest, stoppable}
		}
		if err := provide(t.Context(), c.world.runtime); err != nil {
			t.Fatal(err)
		}
		for name, build := range map[string]func() ([]byte, error){"c": benchC, "go": benchGo} {
			module, err := build()
			if err != nil {
				t.Fatal(err)
			}
			for range instances {
				if got := c.world.load("", "", module); got != "accepted" {
					t.Fatalf("%s %s: %s", c.name, name, got)
				}
				c.modules[name] = append(c.modules[name], c.world.last)
				for _, first := range []string{abi.InitializeExport, "prepare"} {
					c.run(t, c.world.last.ExportedFunction(first), 1)
				}
			}
		}
	}
	return all
}

// stopper is a guest whose context can be done.
type stopper struct {
	*guest
	context.Context //nolint:containedctx // it is one
}

func (s *stopper) Deadline() (time.Time, bool) { return s.Context.Deadline() }
func (s *stopper) Done() <-chan struct{}       { return s.Context.Done() }
func (s *stopper) Err() error                  { return s.Context.Err() }
func (s *stopper) Value(key any) any           { return s.guest.Value(key) }

func (c *contender) run(t testing.TB, f api.Function, calls int) time.Duration {
	if f == nil {
		return 0
	}
	var stack [1]uint64
	c.world.guest.tank.fill(limitsForTests.Open)
	defer c.world.guest.tank.end()
	began := time.Now()
	for range calls {
		if err := f.CallWithStack(c.ctx, stack[:]); err != nil {
			t.Fatal(err)
		}
	}
	return time.Since(began)
}

// shortest gives the shortest measurement of each contender's instances. Beside much other work a few may all be interrupted; so there are more, of all
// contenders alike, as long as the result is out of bounds.
func shortest(t *testing.T, all []*contender, w workload, instances, rounds int, maxWorst float64) (best [][]time.Duration) {
	t.Helper()
	for range all {
		best = append(best, slices.Repeat([]time.Duration{time.Hour}, instances))
	}
	bad := func() bool {
		return float64(median(slices.Clone(best[2]))) > maxWorst*float64(median(slices.Clone(best[0])))
	}
	for round := 0; round < rounds || bad() && round < 16*rounds; round++ {
		for n := range instances {
			for i, c := range all {
				if i == 1 && (round%8 != 0 || round >= rounds) {
					continue // it takes most of the time, and nobody bounds it
				}
				best[i][n] = min(best[i][n], c.run(t, c.modules[w.module][n].ExportedFunction(w.function), w.calls))
			}
		}
	}
	return best
}

// TestCostTable prints the price of the meter, against plain wazero and against its own switch. Of many short measurements of an instance the shortest
// counts, taken in turns, since other work on the machine only ever makes one longer. Of the instances it is the one in the middle.
func TestCostTable(t *testing.T) {
	needClang(t)
	if raced {
		t.Skip("the race detector is in")
	}
	rounds, instances, maxMean, maxWorst := 8, 1, 1.6, 3.0 // wide: the machine that runs all tests has other work
	if os.Getenv("WEIR_SOAK") == "1" {
		rounds, instances, maxMean, maxWorst = 100, 5, 1.2, 1.6 // what is asked for
	}
	all := contenders(t, instances)
	text := "\n| work | plain | CloseOnDone | metered |\n| --- | --- | --- | --- |\n"
	product, worst := 1.0, 0.0
	for _, w := range workloads {
		best := shortest(t, all, w, instances, rounds, maxWorst)
		plain := median(best[0])
		ratio := func(i int) float64 { return float64(median(best[i])) / float64(plain) }
		text += fmt.Sprintf("| %s | %s | %.1f× | %.2f× |\n", w.name, round3(plain/time.Duration(w.calls)), ratio(1), ratio(2))
		t.Logf("%s: each instance's shortest, plain %v, metered %v", w.name, best[0], best[2])
		product *= ratio(2)
		worst = max(worst, ratio(2))
	}
	mean := math.Pow(product, 1/float64(len(workloads)))
	t.Logf("%s| geometric mean, worst | | | %.2f×, %.2f× |", text, mean, worst)
	if mean > maxMean || worst > maxWorst {
		t.Errorf("the meter costs %.2f× in the mean, at worst %.2f×", mean, worst)
	}
}

// round3 leaves three digits.
func round3(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}
