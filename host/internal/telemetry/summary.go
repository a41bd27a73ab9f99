package telemetry

import (
	"context"
	"log/slog"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

const (
	// summaryPeriod is how often repeats are reported (house: "a count per second").
	summaryPeriod = time.Second
	// summaryLines bounds the different lines remembered within one period; what is beyond is counted as summary_full. Chosen.
	summaryLines = 1024
)

// identityKeys are the attributes that make two lines with one message different. Peers, sessions and error texts vary from line to line and do not.
var identityKeys = []string{KeyPlugin, KeyPoint, KeyListener, KeyReason, KeyKind, KeyGeneration}

// Summary lets the first of equal warnings or errors through and reports the rest once a second as one line with the attribute "repeated", and
// with the error of the last of them.
// Lines are equal if level, message and the identifying attributes are. A line that stayed away for a whole period is new again.
// Lines below warn pass untouched. Safe for concurrent use.
type Summary struct {
	next slog.Handler
	stop chan struct{}
	done chan struct{}

	mu       sync.Mutex
	lines    map[string]*repeats
	overflow int
	closed   bool
}

// repeats is one line that was let through, and how often it came again since the last report.
type repeats struct {
	handler slog.Handler
	level   slog.Level
	message string
	attrs   []slog.Attr
	last    slog.Record // that was counted
	count   int
}

// causeKeys are the attributes that say why: of repeats, those of the last line are told.
var causeKeys = []string{KeyError, "fault", "why"}

// NewSummary starts a Summary before next. Close ends it.
func NewSummary(next slog.Handler) *Summary {
	s := &Summary{next: next, stop: make(chan struct{}), done: make(chan struct{}), lines: map[string]*repeats{}}
	go s.loop()
	return s
}

// Handler is what a slog.Logger writes to.
func (s *Summary) Handler() slog.Handler { return &summaryHandler{summary: s, next: s.next} }

// Close reports what is still counted and joins the loop. Later lines pass uncounted. It may be called twice.
func (s *Summary) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.stop)
	}
	s.mu.Unlock()
	<-s.done
}

// loop owns the reports: it alone empties the counts.
func (s *Summary) loop() {
	defer close(s.done)
	ticker := time.NewTicker(summaryPeriod)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			s.report(now)
		case <-s.stop:
			s.report(time.Now())
			return
		}
	}
}

func (s *Summary) report(now time.Time) {
	due, overflow := s.take()
	for _, r := range due {
		line := slog.NewRecord(now, r.level, r.message, 0)
		line.AddAttrs(r.attrs...)
		line.AddAttrs(slog.Int("repeated", r.count))
		r.last.Attrs(func(a slog.Attr) bool {
			if slices.Contains(causeKeys, a.Key) {
				line.AddAttrs(slog.Any("last_"+a.Key, a.Value))
			}
			return true
		})
		_ = r.handler.Handle(context.Background(), line) // a log that cannot be written has nowhere to say so
	}
	if overflow > 0 {
		line := slog.NewRecord(now, slog.LevelError, "log lines dropped", 0)
		line.AddAttrs(slog.Int("repeated", overflow), slog.String(KeyReason, "summary_full"))
		_ = s.next.Handle(context.Background(), line)
	}
}

// take empties the counts and forgets the lines that did not come again.
func (s *Summary) take() (due []repeats, overflow int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, r := range s.lines {
		if r.count == 0 {
			delete(s.lines, key)
			continue
		}
		due = append(due, *r)
		r.count, r.last = 0, slog.Record{}
	}
	overflow, s.overflow = s.overflow, 0
	sort.Slice(due, func(i, j int) bool { return due[i].message < due[j].message })
	return due, overflow
}

// first tells whether the line shall be written now; otherwise it has been counted.
func (s *Summary) first(key string, line slog.Record, fresh func() *repeats) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return true
	}
	if r, ok := s.lines[key]; ok {
		r.count++
		r.last = line.Clone()
		return false
	}
	if len(s.lines) >= summaryLines {
		s.overflow++
		return false
	}
	s.lines[key] = fresh()
	return true
}

// summaryHandler is the Summary as seen by one logger, with the attributes that With gave it.
type summaryHandler struct {
	summary  *Summary
	next     slog.Handler
	identity string // of the attributes and groups added so far
}

func (h *summaryHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h *summaryHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &summaryHandler{h.summary, h.next.WithAttrs(attrs), h.identity + identity(attrs)}
}

func (h *summaryHandler) WithGroup(name string) slog.Handler {
	return &summaryHandler{h.summary, h.next.WithGroup(name), h.identity + name + "\x1e"}
}

func (h *summaryHandler) Handle(ctx context.Context, line slog.Record) error {
	if line.Level < slog.LevelWarn {
		return h.next.Handle(ctx, line)
	}
	var attrs []slog.Attr
	line.Attrs(func(a slog.Attr) bool {
		if slices.Contains(identityKeys, a.Key) {
			attrs = append(attrs, a)
		}
		return true
	})
	key := strings.Join([]string{line.Level.String(), line.Message, h.identity, identity(attrs)}, "\x1f")
	fresh := func() *repeats {
		return &repeats{handler: h.next, level: line.Level, message: line.Message, attrs: attrs}
	}
	if !h.summary.first(key, line, fresh) {
		return nil
	}
	return h.next.Handle(ctx, line)
}

func identity(attrs []slog.Attr) string {
	var b strings.Builder
	for _, a := range attrs {
		if slices.Contains(identityKeys, a.Key) {
			b.WriteString(a.Key + "\x1d" + a.Value.Resolve().String() + "\x1e")
		}
	}
	return b.String()
}
