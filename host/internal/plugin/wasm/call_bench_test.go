package wasm

import (
	"runtime"
	"testing"

	"github.com/weir-media/weir/host/internal/plugin"
)

// callAllocations is what one call allocates, all of it wazero's, which starts a goroutine to watch the context of each call
// (WithCloseOnContextDone): the channel that ends it, the function that closes that, and the goroutine's own.
const callAllocations = 3

func TestCallAllocations(t *testing.T) {
	for name, i := range map[string]plugin.Instance{"hand-made": instanceOf(t, newPlugin(bodyEcho), limitsForTests), "go": goInstance(t, limitsForTests)} {
		frame := frameOf(testHead, "none")
		got := testing.AllocsPerRun(200, func() {
			if _, f := i.Call(0, frame); f != nil {
				t.Fatal(f)
			}
			runtime.Gosched() // lets the watcher end, so that the next call finds its goroutine free
		})
		if got > callAllocations {
			t.Errorf("%s: %v allocations a call; want at most %d", name, got, callAllocations)
		}
	}
}

func TestHostsPartOfACallAllocatesNothing(t *testing.T) {
	i := instanceOf(t, newPlugin(bodyEcho), limitsForTests).(*instance)
	frame := frameOf(testHead, "none")
	got := testing.AllocsPerRun(200, func() {
		i.guest.watch.begin(limitsForTests.Event)
		i.guest.enter(frame)
		if i.guest.watch.end() {
			t.Fatal("over")
		}
	})
	if got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func benchmarkCall(b *testing.B, i plugin.Instance, command string) {
	frame := frameOf(testHead, command)
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		if _, f := i.Call(0, frame); f != nil {
			b.Fatal(f)
		}
	}
}

func BenchmarkCallHandMade(b *testing.B) {
	benchmarkCall(b, instanceOf(b, newPlugin(bodyZero), plugin.Limits{}), "none")
}

func BenchmarkCallGo(b *testing.B) {
	benchmarkCall(b, goInstance(b, plugin.Limits{}), "none")
}

func BenchmarkStartGo(b *testing.B) {
	g := mustOpen(b, Options{Module: goGuest(b), CacheDir: cacheFolder})
	b.ReportAllocs()
	for b.Loop() {
		i, f := g.New()
		if f != nil {
			b.Fatal(f)
		}
		i.Close()
	}
}

func BenchmarkOpenCached(b *testing.B) {
	module := goGuest(b)
	mustOpen(b, Options{Module: module, CacheDir: cacheFolder}).Close()
	for b.Loop() {
		mustOpen(b, Options{Module: module, CacheDir: cacheFolder}).Close()
	}
}
