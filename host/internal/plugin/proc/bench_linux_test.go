package proc

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/plugin"
)

// BenchmarkCall is one event there and back, on one instance; b.RunParallel is what several workers of a plugin have of one process.
func BenchmarkCall(b *testing.B) {
	o, _ := options(b)
	g := opened(b, o)
	for _, size := range []int{64, 4 << 10, 48 << 10} {
		frame := request("echo " + strings.Repeat("x", size))
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			i := instanceOf(b, g)
			b.ReportAllocs()
			for b.Loop() {
				if _, f := i.Call(time.Minute, frame); f != nil {
					b.Fatal(f)
				}
			}
		})
	}
	b.Run("64B/4 instances", func(b *testing.B) {
		frame := request("echo " + strings.Repeat("x", 64))
		b.ReportAllocs()
		var all sync.WaitGroup
		for range 4 {
			i := instanceOf(b, g)
			all.Go(func() {
				for range b.N / 4 {
					if _, f := i.Call(time.Minute, frame); f != nil {
						b.Error(f)
						return
					}
				}
			})
		}
		all.Wait()
	})
}

// BenchmarkUnary is what a call would cost as a gRPC method of its own: the manifest, asked for again and again.
func BenchmarkUnary(b *testing.B) {
	o, _ := options(b)
	p := opened(b, o).life.now()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.calls.Manifest(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDeath is from a kill to the first answer of the next process.
func BenchmarkDeath(b *testing.B) {
	o, _ := options(b)
	g := opened(b, o)
	frame := request("echo")
	for b.Loop() {
		g.life.now().run.kill()
		for {
			i, f := g.New()
			if f != nil {
				b.Fatal(f)
			}
			_, f = i.Call(time.Minute, frame)
			i.Close()
			if f == nil {
				break
			}
			if f.Kind != plugin.Exit || !f.Lost {
				b.Fatalf("%+v", f)
			}
		}
		b.StopTimer()
		g.pause(earlyDeath)
		b.StartTimer()
	}
}
