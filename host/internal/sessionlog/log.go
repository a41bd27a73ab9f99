package sessionlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/weir-media/weir/host/internal/datename"
	"github.com/weir-media/weir/host/internal/journal"
)

// Options describe a log. Journal, File and Keep must be set.
type Options struct {
	Journal *journal.Journal
	File    string // path, in whose name %Y %m %d %H %M %S stand for the time, UTC
	Rotate  uint64 // bytes after which another file begins; 0: each day
	Keep    int    // files; older ones are removed
	Version string // of weir
	Log     *slog.Logger
	Now     func() time.Time // nil: time.Now
}

// Status is a log at one moment.
type Status struct {
	File  string // that is written; empty before the first line
	Lines uint64 // written since the start
	Lost  uint64 // lines that could not be written, and events that were missed
	Error string // why lines are lost now; empty: they are not
}

// Log writes the log until Close. It is safe for concurrent use.
type Log struct {
	o      Options
	reader *journal.Reader
	loops  sync.WaitGroup
	file   file
	seen   map[uint64]*journal.Client // of viewers that play and sources that feed, by session
	played int                        // of these, viewers

	mu     sync.Mutex
	status Status
}

// batch is how many events are taken at once. Chosen.
const batch = 256

// Open begins a log. Its file is made with the first line; that it cannot be is no error
// here, but part of the status.
func Open(o Options) (*Log, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	r, err := o.Journal.Read(journal.Filter{Kinds: []journal.Kind{journal.Play, journal.Stop, journal.Source}})
	if err != nil {
		return nil, fmt.Errorf("open the log of sessions: %w", err)
	}
	l := &Log{o: o, reader: r, seen: map[uint64]*journal.Client{}, file: file{o: o}}
	l.loops.Go(l.loop)
	return l, nil
}

// loop owns the file until the reader ends.
func (l *Log) loop() {
	defer l.file.close()
	for {
		events, missed := l.reader.Next(context.Background(), batch)
		if len(events) == 0 && missed == 0 {
			return
		}
		l.take(events, missed)
	}
}

// take writes what has ended.
func (l *Log) take(events []*journal.Event, missed uint64) {
	var text []byte
	lines := uint64(0)
	if missed > 0 { // ends may be among them
		l.seen, l.played = map[uint64]*journal.Client{}, 0
	}
	for _, e := range events {
		if x := l.note(e); x != nil {
			text = x.line(text)
			lines++
		}
	}
	var err error
	if lines > 0 {
		err = l.file.write(text, l.o.Now())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	st := &l.status
	st.Lost += missed
	switch {
	case lines == 0:
		return
	case err == nil:
		if st.Error != "" {
			l.o.Log.Info("the log of sessions goes on", "file", l.file.path, "lost", st.Lost)
		}
		st.Lines, st.Error, st.File = st.Lines+lines, "", l.file.path
		return
	case st.Error == "":
		l.o.Log.Error("the log of sessions loses lines; make room, or let weir write there", "file", l.o.File, "error", err)
	}
	st.Lost, st.Error = st.Lost+lines, err.Error()
}

// note keeps who has come, and gives what is to be written when somebody leaves.
func (l *Log) note(e *journal.Event) *entry {
	switch {
	case e.Kind == journal.Play:
		l.seen[e.Session] = e.Client
		l.played++
	case e.Kind == journal.Source && e.What == "begin":
		l.seen[e.Session] = e.Client
	case e.Kind == journal.Stop:
		client, known := l.seen[e.Session]
		if known {
			l.played--
		}
		delete(l.seen, e.Session)
		return &entry{end: e, client: client, role: roleViewer, clients: l.played}
	case e.Kind == journal.Source && e.What == "end":
		client := l.seen[e.Session]
		delete(l.seen, e.Session)
		return &entry{end: e, client: client, role: roleSource, clients: l.played}
	}
	return nil
}

// Status tells how the log fares.
func (l *Log) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// Close writes what waits and ends the log.
func (l *Log) Close() {
	l.reader.Close()
	l.loops.Wait()
}

// file is the file that is written.
type file struct {
	o     Options
	f     *os.File
	path  string
	name  string // without a number
	size  uint64
	again time.Time // not tried before
	why   error     // then
}

// retryAfter is how long a file that cannot be opened or written is left alone. Chosen.
const retryAfter = 5 * time.Second

func (f *file) write(text []byte, now time.Time) error {
	if now.Before(f.again) {
		return f.why
	}
	err := f.ready(now)
	if err == nil {
		var n int
		n, err = f.f.Write(text)
		f.size += uint64(n)
	}
	if err != nil {
		f.close()
		f.again, f.why = now.Add(retryAfter), err
	}
	return err
}

// ready has the right file open.
func (f *file) ready(now time.Time) error {
	dir, pattern := filepath.Split(f.o.File)
	name := datename.Name(pattern, now)
	if f.o.Rotate > 0 && f.f != nil && f.size < f.o.Rotate {
		return nil // its name stays what it was
	}
	if f.f != nil && f.o.Rotate == 0 && name == f.name {
		return nil
	}
	f.close()
	if err := os.MkdirAll(filepath.Clean(dir), 0o750); err != nil {
		return err
	}
	n := 1
	for ; f.o.Rotate > 0; n++ { // the first that is not full
		st, err := os.Lstat(filepath.Join(dir, datename.Further(name, n)))
		if errors.Is(err, fs.ErrNotExist) || err == nil && uint64(st.Size()) < f.o.Rotate {
			break
		}
	}
	if err := f.open(filepath.Join(dir, datename.Further(name, n)), now); err != nil {
		return err
	}
	f.name = name
	f.removeOld()
	return nil
}

func (f *file) open(path string, now time.Time) error {
	// Group and others have no business with the addresses of viewers.
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640) //nolint:gosec // the operator's choice of group
	if err != nil {
		return err
	}
	st, err := out.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
	}
	n := 0
	if err == nil { // a file that goes on may have had other fields
		n, err = fmt.Fprintf(out, "#Software: weir %s\r\n#Version: 1.0\r\n#Date: %s\r\n#Fields: %s\r\n", f.o.Version, now.UTC().Format(time.DateTime), fields)
	}
	if err != nil {
		return errors.Join(err, out.Close())
	}
	f.f, f.path, f.size = out, path, uint64(st.Size())+uint64(n)
	return nil
}

// removeOld leaves as many files as are to be kept, the one that is written among them.
func (f *file) removeOld() {
	all := files(f.o.File)
	for i := 0; i < len(all)-f.o.Keep; i++ {
		if all[i] == f.path {
			continue
		}
		if err := os.Remove(all[i]); err != nil {
			f.o.Log.Warn("an old log of sessions is not removed", "file", all[i], "error", err)
		}
	}
}

func (f *file) close() {
	if f.f != nil {
		if err := f.f.Close(); err != nil {
			f.o.Log.Warn("log of sessions", "file", f.path, "error", err)
		}
		f.f = nil
	}
}
