package sessionlog

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/host/internal/journal"
)

// rig is a log and the journal that feeds it; its clock is set by hand.
type rig struct {
	*Log
	t       *testing.T
	dir     string
	journal *journal.Journal
	now     time.Time
}

func open(t *testing.T, name string, rotate uint64, keep int) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), now: time.Date(2026, 5, 1, 23, 59, 58, 0, time.UTC)}
	r.journal = journal.New(func() time.Time { return r.now })
	l, err := Open(Options{Journal: r.journal, File: filepath.Join(r.dir, name), Rotate: rotate, Keep: keep, Version: "test", Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return r.now }})
	if err != nil {
		t.Fatal(err)
	}
	r.Log = l
	t.Cleanup(func() { r.Close(); r.journal.Close() })
	return r
}

func (r *rig) visit(id uint64, c *journal.Client) {
	r.journal.Tell(journal.Event{Kind: journal.Play, Session: id, Point: "live", Client: c})
	r.journal.Tell(journal.Event{Kind: journal.Stop, Session: id, Point: "live", Plugin: "wmsp", Rendition: "mmsh", Peer: "192.0.2.7:4711", Reason: "peer_closed",
		Traffic: &journal.Traffic{Seconds: 12.6, BytesOut: 126_000, Packets: 90}})
}

func (r *rig) lines(name string) []string {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\r\n"), "\r\n")
}

func TestLines(t *testing.T) { synctest.Test(t, testLines) }

func testLines(t *testing.T) {
	r := open(t, "%Y%m%d.log", 0, 3)
	evil := &journal.Client{Path: "/live now", UserAgent: "NSPlayer/9.0.0.3372 WMFSDK/9.0\r\n#Fields: evil\x00\u2028", Referer: strings.Repeat("é", 400), Player: "{A}", Language: "en-US",
		Local: "[2001:db8::1]:8080", Protocol: "http", Transport: "TCP"}
	r.visit(3, evil)
	r.journal.Tell(journal.Event{Kind: journal.Source, What: "begin", Session: 9, Client: &journal.Client{Path: "/tv", UserAgent: "Lavf/59", Transport: "TCP", Protocol: "http"}})
	r.journal.Tell(journal.Event{Kind: journal.Source, What: "end", Session: 9, Point: "tv", Plugin: "push", Peer: "[::1]:5", Reason: "stream ended", Traffic: &journal.Traffic{BytesIn: 77}})
	r.journal.Tell(journal.Event{Kind: journal.Stop, Session: 4, Point: "live", Peer: "file"})
	r.Close()
	got := r.lines("20260501.log")
	want := []string{
		"#Software: weir test", "#Version: 1.0", "#Date: 2026-05-01 23:59:58", "#Fields: " + fields,
		"192.0.2.7 2026-05-01 23:59:58 - /live+now 0 12 1 200 {A} 9.0.0.3372 en-US NSPlayer/9.0.0.3372+WMFSDK/9.0++#Fields:+evil++ " + strings.Repeat("é", 256) +
			" 80000 http TCP 126000 0 90 2001:db8::1 0 3 viewer live mmsh wmsp 0 peer_closed",
		"::1 2026-05-01 23:59:58 - /tv 0 0 1 200 - 59 - Lavf/59 - - http TCP 0 77 0 - 0 9 source tv - push 0 stream+ended",
		"file 2026-05-01 23:59:58 - /live 0 0 1 200 - - - - - - - - 0 0 0 - 0 4 viewer live - - 0 -",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, line := range got[4:] {
		if n := len(strings.Split(line, " ")); n != len(strings.Fields(fields)) {
			t.Errorf("%d fields: %s", n, line)
		}
	}
	if st := r.Status(); st.Lines != 3 || st.Lost != 0 || st.Error != "" {
		t.Errorf("%+v", st)
	}
}

// TestDays: each day has its file, and only so many are kept; what is not the log's stays.
func TestDays(t *testing.T) { synctest.Test(t, testDays) }

func testDays(t *testing.T) {
	r := open(t, "a-%Y%m%d.log", 0, 2)
	for _, stranger := range []string{"a-2026.log", "b-20260401.log", "a-20260401.log.bak"} {
		if err := os.WriteFile(filepath.Join(r.dir, stranger), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for day := range uint64(4) {
		r.visit(day, nil)
		synctest.Wait()
		path := filepath.Join(r.dir, fmt.Sprintf("a-2026050%d.log", day+1))
		if err := os.Chtimes(path, r.now, r.now); err != nil {
			t.Fatal(err)
		}
		r.now = r.now.Add(24 * time.Hour)
	}
	if got := r.names(); got != "a-2026.log a-20260401.log.bak a-20260503.log a-20260504.log b-20260401.log" {
		t.Error(got)
	}
}

func (r *rig) names() string {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

// TestSizes: a file that is full is followed by the next.
func TestSizes(t *testing.T) { synctest.Test(t, testSizes) }

func testSizes(t *testing.T) {
	r := open(t, "s.log", 1, 10)
	for i := range uint64(6) {
		r.visit(i, nil)
		synctest.Wait()
	}
	if got := r.names(); got != "s-2.log s-3.log s-4.log s-5.log s-6.log s.log" {
		t.Errorf("%s", got)
	}
	lines := 0
	for _, name := range strings.Fields(r.names()) {
		for _, l := range r.lines(name) {
			if !strings.HasPrefix(l, "#") {
				lines++
			}
		}
	}
	if lines != 6 {
		t.Errorf("%d lines of 6", lines)
	}
}

// TestFullDisk: what cannot be written is counted, and the log goes on when it can.
func TestFullDisk(t *testing.T) { synctest.Test(t, testFullDisk) }

func testFullDisk(t *testing.T) {
	r := open(t, "full/%d.log", 0, 2)
	blocked := filepath.Join(r.dir, "full")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil { // a file where the folder is to be
		t.Fatal(err)
	}
	r.visit(1, nil)
	synctest.Wait()
	r.visit(2, nil)
	synctest.Wait()
	if st := r.Status(); st.Lost != 2 || st.Lines != 0 || st.Error == "" {
		t.Errorf("%+v", st)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(retryAfter)
	r.visit(3, nil)
	synctest.Wait()
	if st := r.Status(); st.Lost != 2 || st.Lines != 1 || st.Error != "" || st.File != filepath.Join(blocked, "02.log") {
		t.Errorf("%+v", st)
	}
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	f := file{o: Options{Keep: 1}}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.f, f.o.Rotate = full, 1<<20
	if err := f.write([]byte("x"), r.now); err == nil || f.f != nil {
		t.Errorf("a full device takes it: %v", err)
	}
}

// TestMissed: events that the log was too slow for are counted, and who left unseen is not
// waited for.
func TestMissed(t *testing.T) { synctest.Test(t, testMissed) }

func testMissed(t *testing.T) {
	r := open(t, "%d.log", 0, 2)
	r.Close()
	r.take([]*journal.Event{{Kind: journal.Play, Session: 1}, {Kind: journal.Play, Session: 2}}, 0)
	r.take(nil, 5)
	if st := r.Status(); st.Lost != 5 || len(r.seen) != 0 || r.played != 0 {
		t.Errorf("%+v, %d seen", st, len(r.seen))
	}
}

// FuzzLine: whatever a peer says of itself, it is one line of as many fields.
func FuzzLine(f *testing.F) {
	f.Add("/live", "NSPlayer/9.0", "http://x/ y", "{A}", "source_end")
	f.Add("/\r\n#Fields: x", "a\x00b\u0085\u2029", "\xff\xfe", " ", "\t")
	f.Fuzz(func(t *testing.T, path, agent, referer, player, reason string) {
		e := entry{end: &journal.Event{Kind: journal.Stop, Point: path, Peer: agent, Reason: reason}, client: &journal.Client{Path: path, UserAgent: agent, Referer: referer, Player: player}}
		line := string(e.line(nil))
		body, ok := strings.CutSuffix(line, "\r\n")
		if !ok || strings.ContainsAny(body, "\r\n\t\v\f\u0085\u2028\u2029") || len(strings.Split(body, " ")) != len(strings.Fields(fields)) || len(strings.Fields(body)) != len(strings.Fields(fields)) {
			t.Errorf("%q", line)
		}
	})
}
