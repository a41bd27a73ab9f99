package plugin

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Gate lets a plugin's lines into the host's log, at most PerSecond of them in each second, and says how many it held back. All instances of a
// generation share one. Its methods may be called from several goroutines at once; its fields are set before the first call.
type Gate struct {
	Log       *slog.Logger
	PerSecond int
	Now       func() time.Time // nil: time.Now

	mu         sync.Mutex
	second     int64
	let        int
	suppressed int
}

// Line prints one line or counts it.
func (g *Gate) Line(level slog.Level, text string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.line(level, text)
}

// Lines prints what each yields, with no other instance's lines between. Each returns how many lines were lost before they came here.
func (g *Gate) Lines(each func(yield func(level slog.Level, text string)) (lost int)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	lost := each(g.line)
	g.suppressed += lost
}

// Close says what has not been said yet.
func (g *Gate) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.report()
}

func (g *Gate) line(level slog.Level, text string) {
	now := time.Now
	if g.Now != nil {
		now = g.Now
	}
	if second := now().Unix(); second != g.second {
		g.report()
		g.second, g.let = second, 0
	}
	if g.let >= g.PerSecond {
		g.suppressed++
		return
	}
	g.let++
	g.Log.Log(context.Background(), level, text)
}

func (g *Gate) report() {
	if g.suppressed > 0 {
		g.Log.Warn("plugin logs too much", "suppressed_lines", g.suppressed)
		g.suppressed = 0
	}
}
