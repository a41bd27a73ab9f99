package host

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/weir-media/weir/host/internal/config"
)

// quietTime is how long the files must stay as they are before they are read. Chosen:
// whoever writes a file in pieces pauses less, and nobody waits for longer.
const quietTime = 300 * time.Millisecond

// watching notices changed files while the configuration says watch: true. Its goroutine
// runs from begin to end and owns all but the channels. It watches folders, since an
// editor and a deployment put another file in the place of the old one.
type watching struct {
	s       *Server
	notices *fsnotify.Watcher // nil: off
	folders map[string]bool   // that are watched
	entries map[string]bool   // of folders, that decide which files are read
	now     map[string]stamp  // of the files
	read    map[string]stamp  // when they were last compared with what runs
	tried   map[string]string // their hash then, of those that were taken or refused
	quiet   <-chan time.Time
	told    map[string]bool // what keeps files from being watched
	wanted  *config.Config  // that was refused; nil: what the file says runs

	turn chan struct{} // of capacity 1: the configuration is another
	stop chan struct{}
	done chan struct{}
	once sync.Once
}

func (w *watching) init(s *Server) {
	w.s, w.told, w.tried = s, map[string]bool{}, map[string]string{s.configFile(): s.config().Hash()}
	for _, f := range secretsOf(s.config()) { // before they are read: what is another then is found
		if sum, err := hashFile(f); err == nil {
			w.tried[f] = sum
		}
	}
	w.turn, w.stop, w.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
}

// begin starts to watch the files of the configuration that runs.
func (w *watching) begin() {
	w.follow()
	go w.run()
}

// follow has the files of a new configuration watched. It may be called by any
// goroutine, before begin too.
func (w *watching) follow() {
	select {
	case w.turn <- struct{}{}:
	default:
	}
}

// end waits for a change that is under way, and for the goroutine. It follows begin, and
// may be called again.
func (w *watching) end() {
	w.once.Do(func() { close(w.stop) })
	<-w.done
}

func (w *watching) run() {
	defer close(w.done)
	defer w.turnOff()
	for {
		var events chan fsnotify.Event
		var failures chan error
		if w.notices != nil {
			events, failures = w.notices.Events, w.notices.Errors
		}
		select {
		case <-w.stop:
			return
		case <-w.turn:
			w.look()
		case e := <-events:
			if w.matters(e) {
				w.look()
			}
		case err := <-failures: // some events are lost
			w.s.log.Warn("watch files", "error", err)
			w.look()
		case <-w.quiet:
			w.quiet = nil
			if w.look(); w.quiet == nil {
				w.settle()
			}
		}
	}
}

// matters tells whether an event is about an entry on the way to a file, or about a
// folder that is no longer where it was. Then those in it are not either, which nothing
// else tells of.
func (w *watching) matters(e fsnotify.Event) bool {
	name := filepath.Clean(e.Name)
	if e.Op&(fsnotify.Create|fsnotify.Remove|fsnotify.Rename) == 0 || !w.entries[name] && !w.folders[name] {
		return w.entries[name]
	}
	for folder := range w.folders {
		if folder == name || strings.HasPrefix(folder, name+string(filepath.Separator)) {
			_ = w.notices.Remove(folder) // or it has been removed with the folder
			delete(w.folders, folder)
		}
	}
	return true
}

// look finds out which files there are to watch, and waits for quiet if one of them is
// not as it was.
func (w *watching) look() {
	if !w.s.config().Watch || w.s.succession.isServed() {
		w.turnOff()
		return
	}
	if !w.turnOn() {
		return
	}
	files := w.files()
	w.entries = map[string]bool{}
	for _, f := range files {
		for _, entry := range trail(f) {
			w.entries[entry] = true
		}
	}
	w.watchFolders()
	now := map[string]stamp{}
	for _, f := range files {
		now[f] = stampOf(f)
	}
	if !maps.Equal(now, w.now) {
		w.now, w.quiet = now, w.s.options.Tests.after(quietTime)
	}
}

// watchFolders watches the folders of all entries, and no others.
func (w *watching) watchFolders() {
	wanted := map[string]bool{}
	for entry := range w.entries {
		wanted[filepath.Dir(entry)] = true
	}
	for folder := range w.folders {
		if !wanted[folder] {
			_ = w.notices.Remove(folder)
			delete(w.folders, folder)
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(wanted)) { // a parent tells of what becomes of those in it meanwhile
		if w.folders[folder] {
			continue
		}
		switch err := w.notices.Add(folder); {
		case err == nil:
			w.folders[folder] = true
		case errors.Is(err, fs.ErrNotExist): // its parent has told of it
		case errors.Is(err, fs.ErrPermission):
			w.tell("folder is not watched: weir may not read it", "give weir the right to read it, or send SIGHUP after a change in it", "folder", folder)
		default:
			w.tell("folder cannot be watched", remedyLimits, "folder", folder, "error", err)
		}
	}
}

// remedyLimits is for what the kernel grants too little of.
const remedyLimits = "raise fs.inotify.max_user_watches and fs.inotify.max_user_instances (sysctl), or send SIGHUP after a change"

func (w *watching) turnOn() bool {
	if w.notices != nil {
		return true
	}
	notices, err := fsnotify.NewWatcher()
	if err != nil {
		w.tell("files are not watched", remedyLimits, "error", err)
		return false
	}
	w.notices, w.folders, w.now, w.read = notices, map[string]bool{}, nil, map[string]stamp{}
	if w.tried == nil { // what the file was changed to meanwhile was not meant to be put in force
		w.tried = map[string]string{}
		if sum, err := hashFile(w.s.configFile()); err == nil {
			w.tried[w.s.configFile()] = sum
		}
	}
	w.s.log.Info("files are watched", "files", strings.Join(w.files(), " "))
	return true
}

// tell logs each thing once that keeps files from being watched.
func (w *watching) tell(message, remedy string, attributes ...any) {
	if !w.told[message] {
		w.told[message] = true
		w.s.log.Warn(message, append(attributes, "remedy", remedy)...)
	}
}

func (w *watching) turnOff() {
	if w.notices != nil {
		_ = w.notices.Close() // nothing is left to be done about an error
		w.s.log.Info("files are no longer watched")
	}
	w.notices, w.folders, w.entries, w.now, w.quiet, w.tried, w.wanted = nil, nil, nil, nil, nil, nil, nil
}

// settle compares the files, which are quiet, with what runs. A new configuration is put
// in force with all that it names; else what is new of the plugins' files is. What was
// refused is tried again once it is another.
func (w *watching) settle() {
	if w.s.isTaken() { // it must be tried here if that fails
		w.quiet = w.s.options.Tests.after(quietTime)
		return
	}
	var changed []string
	for _, f := range slices.Sorted(maps.Keys(w.now)) {
		if w.now[f] == w.read[f] || w.now[f] == (stamp{}) {
			continue
		}
		w.read[f] = w.now[f]
		if sum, err := hashFile(f); err == nil && sum != w.tried[f] {
			w.tried[f] = sum
			changed = append(changed, f)
		}
	}
	if len(changed) > 0 {
		w.take(changed)
	}
}

func hashFile(path string) (string, error) {
	b, err := os.ReadFile(path)
	return hash(b), err
}

// after is time.After, but in tests.
func (o TestOptions) after(d time.Duration) <-chan time.Time {
	if o.After != nil {
		return o.After(d)
	}
	return time.After(d)
}
