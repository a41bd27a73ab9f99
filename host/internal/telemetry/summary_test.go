package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// lines gives what was written, without the times, and forgets it.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for line := range strings.Lines(l.b.String()) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		out = append(out, rest)
	}
	l.b.Reset()
	return strings.Join(out, "\n")
}

func TestSummary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lines
		log, summary := OpenLog(&out, slog.LevelInfo)
		defer summary.Close()
		wait := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		expect := func(want string) {
			t.Helper()
			if got := out.take(); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
		wait(100 * time.Millisecond)

		log = log.With(KeyPlugin, "wmsp")
		for i := range 5 {
			log.Error("send failed", KeyReason, "reset", KeyPeer, i, Err(errors.New("boom")))
		}
		log.Warn("send failed", KeyReason, "reset")
		log.Error("send failed", KeyReason, "other")
		log.With(KeyPoint, "demo").Error("send failed", KeyReason, "reset")
		log.Info("hello")
		log.Info("hello")
		log.Debug("unheard")
		expect(`level=ERROR msg="send failed" plugin=wmsp reason=reset peer=0 error=boom
level=WARN msg="send failed" plugin=wmsp reason=reset
level=ERROR msg="send failed" plugin=wmsp reason=other
level=ERROR msg="send failed" plugin=wmsp point=demo reason=reset
level=INFO msg=hello plugin=wmsp
level=INFO msg=hello plugin=wmsp`)

		wait(time.Second)
		expect(`level=ERROR msg="send failed" plugin=wmsp reason=reset repeated=4 last_error=boom`)
		log.Error("send failed", KeyReason, "reset")
		log.Error("send failed", KeyReason, "reset")
		expect("")
		wait(time.Second)
		expect(`level=ERROR msg="send failed" plugin=wmsp reason=reset repeated=2`)

		wait(time.Second)
		expect("")
		log.Error("send failed", KeyReason, "reset")
		expect(`level=ERROR msg="send failed" plugin=wmsp reason=reset`)

		log.Error("send failed", KeyReason, "reset")
		summary.Close()
		expect(`level=ERROR msg="send failed" plugin=wmsp reason=reset repeated=1`)
		log.Error("send failed", KeyReason, "reset")
		log.Error("send failed", KeyReason, "reset")
		expect("level=ERROR msg=\"send failed\" plugin=wmsp reason=reset\nlevel=ERROR msg=\"send failed\" plugin=wmsp reason=reset")
	})
}

func TestSummaryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lines
		log, summary := OpenLog(&out, slog.LevelInfo)
		defer summary.Close()
		for i := range summaryLines + 7 {
			log.Error(fmt.Sprint("line ", i))
		}
		if n := strings.Count(out.take(), "\n") + 1; n != summaryLines {
			t.Errorf("%d lines", n)
		}
		time.Sleep(summaryPeriod + time.Millisecond)
		synctest.Wait()
		if got := out.take(); got != `level=ERROR msg="log lines dropped" repeated=7 reason=summary_full` {
			t.Error(got)
		}
	})
}

func TestSummaryGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lines
		log, summary := OpenLog(&out, slog.LevelInfo)
		log.WithGroup("a").Error("x", KeyKind, "k")
		log.WithGroup("b").Error("x", KeyKind, "k")
		log.WithGroup("b").Error("x", KeyKind, "k")
		summary.Close()
		if got := out.take(); got != "level=ERROR msg=x a.kind=k\nlevel=ERROR msg=x b.kind=k\nlevel=ERROR msg=x b.kind=k b.repeated=1" {
			t.Error(got)
		}
	})
}

func TestSummaryConcurrently(t *testing.T) {
	var out lines
	log, summary := OpenLog(&out, slog.LevelInfo)
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 200 {
				log.With(KeyPoint, "p").Error("same")
			}
		})
	}
	writers.Wait()
	summary.Close()
	total := 0
	for line := range strings.Lines(out.take()) {
		n := 0
		if _, err := fmt.Sscanf(line[strings.LastIndex(line, " ")+1:], "repeated=%d", &n); err != nil {
			n = 1
		}
		total += n
	}
	if total != 1600 {
		t.Errorf("%d lines counted", total)
	}
}

func TestParseLevel(t *testing.T) {
	for s, want := range map[string]slog.Level{"": slog.LevelInfo, "debug": slog.LevelDebug, "Info": slog.LevelInfo, "warn": slog.LevelWarn, "ERROR": slog.LevelError} {
		if got, err := ParseLevel(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	if _, err := ParseLevel("loud"); err == nil || !strings.Contains(err.Error(), "choose debug") {
		t.Errorf("got %v", err)
	}
}
