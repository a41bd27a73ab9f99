package wasm

import (
	"testing"

	"github.com/weir-media/weir/host/internal/plugin"
)

// TestCallAllocations holds a call to none, on the host's side and on wazero's.
func TestCallAllocations(t *testing.T) {
	for name, i := range map[string]plugin.Instance{"hand-made": instanceOf(t, newPlugin(bodyEcho), limitsForTests), "go": goInstance(t, limitsForTests)} {
		frame := frameOf(testHead, "none")
		got := testing.AllocsPerRun(200, func() {
			if _, f := i.Call(0, frame); f != nil {
				t.Fatal(f)
			}
		})
		if got != 0 {
			t.Errorf("%s: %v allocations a call; want none", name, got)
		}
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
