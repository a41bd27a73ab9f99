package archive

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/sample"
	"github.com/weir-media/weir/sdk/asf"
)

// film is the sample in the parts that a source would bring.
type film struct {
	header  []byte
	size    int      // of a packet
	packets [][]byte // whole
}

func theFilm(t *testing.T) film {
	t.Helper()
	b := sample.Demo()
	h, err := asf.ParseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	f := film{header: asf.Broadcast(nil, b, h.FileID), size: h.PacketSize}
	for at := h.Size; at+h.PacketSize <= len(b) && uint64(len(f.packets)) < h.DataPackets; at += h.PacketSize {
		f.packets = append(f.packets, b[at:at+h.PacketSize])
	}
	return f
}

// rig is a point that is kept.
type rig struct {
	*Room
	t     *testing.T
	dir   string
	point *point.Point
	want  Want
}

func keep(t *testing.T, w Want) *rig {
	t.Helper()
	r := &rig{Room: New(Options{Log: slog.New(slog.DiscardHandler)}), t: t, dir: t.TempDir(), point: point.New(point.Options{Name: "a/b", Buffer: time.Hour}, nil), want: w}
	r.want.Point, r.want.File = r.point, filepath.Join(r.dir, w.File)
	r.Set([]Want{r.want})
	t.Cleanup(r.Close)
	return r
}

func (r *rig) source(rendition string) *point.Feed {
	r.t.Helper()
	f, err := r.point.Publish("encoder", true, time.Now())
	if err == nil {
		_, err = f.Open(rendition)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return f
}

// names lists what is in the folder.
func (r *rig) names() []string {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func (r *rig) read(name string) []byte {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

func (r *rig) status() Status {
	st, ok := r.Of(r.point)
	if !ok {
		r.t.Fatal("the point is not kept")
	}
	return st
}

// feed appends packets a tenth of a second apart, each tenth of them a key packet.
func feed(f *point.Feed, packets [][]byte) {
	for i, b := range packets {
		k := media.Packet{DTS: media.FromDuration(time.Duration(i) * 100 * time.Millisecond)}
		if i%10 == 0 {
			k.Flags = media.Key
		}
		f.Append(k, b)
	}
}

// TestFilm: while it is written the file is a live stream's, which ends wherever it ends;
// finished, it says how long it is. Its packets are those of the source, with the padding
// that a live stream leaves out.
func TestFilm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		film := theFilm(t)
		r := keep(t, Want{Rendition: "asf", File: "{point}-{time}.asf"})
		f := r.source("asf")
		f.SetHeader(film.header)
		var thin [][]byte // without the padding, as encoders send them
		var p asf.Packet
		for _, b := range film.packets {
			if err := asf.ParsePacket(b, film.size, &p); err != nil {
				t.Fatal(err)
			}
			cut := b
			if p.ZeroFill(film.size) && p.PaddingAt > 0 {
				cut = b[:p.PaddingAt]
			}
			thin = append(thin, cut)
		}
		feed(f, thin)
		synctest.Wait()
		const name = "a_b-20000101-000000.asf"
		if got := r.names(); !slices.Equal(got, []string{name}) {
			t.Fatalf("%q", got)
		}
		b := r.read(name)
		if h, err := asf.ParseHeader(b); err != nil || h.Flags != 1 || h.DataPackets != 0 || len(b) != h.Size+len(film.packets)*film.size {
			t.Errorf("while it is written: %+v, %d bytes, %v", h.Flags, len(b), err)
		}
		r.Set(nil)
		synctest.Wait()
		b = r.read(name)
		h, err := asf.ParseHeader(b)
		if err != nil || h.Flags != 2 || h.DataPackets != uint64(len(film.packets)) || h.DataSize != uint64(asf.DataHeadSize+len(film.packets)*film.size) {
			t.Fatalf("finished: flags %d, %d packets, %d bytes, %v", h.Flags, h.DataPackets, h.DataSize, err)
		}
		if !bytes.Equal(b[h.Size:], bytes.Join(film.packets, nil)) {
			t.Error("the packets are not those of the source")
		}
	})
}

// TestRotation: another file begins at a key packet once one is as long, or as large, as it
// may be, and with another header or source.
func TestRotation(t *testing.T) {
	for name, w := range map[string]Want{"time": {After: 2 * time.Second}, "size": {Bytes: 20 * 100}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w.Rendition, w.File = "mpegts", "%Y/{point}.ts"
				r := keep(t, w)
				f := r.source("mpegts")
				f.SetHeader([]byte("tables"))
				var packets [][]byte
				for i := range 55 {
					packets = append(packets, bytes.Repeat([]byte{byte(i)}, 100))
				}
				feed(f, packets)
				synctest.Wait()
				st := r.status()
				if st.Files != 3 || st.State != Recording || st.Packets != 15 || st.Path != filepath.Join(r.dir, "2000", "a_b-3.ts") {
					t.Errorf("%+v", st)
				}
				f.SetHeader([]byte("others"))
				f.Append(media.Packet{DTS: media.FromDuration(6 * time.Second), Flags: media.Key}, []byte("more"))
				synctest.Wait()
				if got := string(r.read("2000/a_b-4.ts")); got != "othersmore" {
					t.Errorf("with another header: %q", got)
				}
				r.point.Close()
				synctest.Wait()
				if st := r.status(); st.State != Waiting {
					t.Errorf("after the end: %+v", st)
				}
				first := r.read("2000/a_b.ts")
				if want := append([]byte("tables"), bytes.Join(packets[:20], nil)...); !bytes.Equal(first, want) {
					t.Errorf("the first file has %d bytes, want %d", len(first), len(want))
				}
			})
		})
	}
}

// TestFullDisk: what cannot be written ends the file, and the next source is tried at once.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := keep(t, Want{Rendition: "mpegts", File: "dir/x.ts"})
		blocked := filepath.Join(r.dir, "dir")
		if err := os.WriteFile(blocked, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		f := r.source("mpegts")
		f.SetHeader([]byte("h"))
		feed(f, [][]byte{{1}, {2}})
		synctest.Wait()
		if st := r.status(); st.State != Failed || !strings.Contains(st.Reason, "not a directory") {
			t.Errorf("%+v", st)
		}
		f.Close("gone")
		time.Sleep(time.Second) // the grace of nothing
		synctest.Wait()
		if err := os.Remove(blocked); err != nil {
			t.Fatal(err)
		}
		f = r.source("mpegts")
		f.SetHeader([]byte("h"))
		feed(f, [][]byte{{1}, {2}})
		synctest.Wait()
		if st := r.status(); st.State != Recording || st.Packets != 2 {
			t.Errorf("%+v", st)
		}
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		p := plain{f: full, to: newWriter(full)}
		if err := errors.Join(p.packet(media.Packet{Bytes: []byte("x")}), p.flush()); err == nil {
			t.Error("a full device takes it")
		}
	})
}

// TestRetry: the recording of a source that stays goes on with a key packet half a minute
// after the failure.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := keep(t, Want{Rendition: "mpegts", File: "dir/x.ts"})
		blocked := filepath.Join(r.dir, "dir")
		if err := os.WriteFile(blocked, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		f := r.source("mpegts")
		f.SetHeader([]byte("h"))
		send := func(flags media.Flags, b string) State {
			f.Append(media.Packet{Flags: flags}, []byte(b))
			synctest.Wait()
			return r.status().State
		}
		if st := send(media.Key, "a"); st != Failed {
			t.Errorf("behind a file: %s", st)
		}
		if err := os.Remove(blocked); err != nil {
			t.Fatal(err)
		}
		time.Sleep(retryAfter - time.Second)
		if st := send(media.Key, "b"); st != Failed {
			t.Errorf("too early: %s", st)
		}
		f.SetHeader([]byte("H"))
		time.Sleep(time.Second)
		if st := send(0, "c"); st != Failed {
			t.Errorf("at no key packet: %s", st)
		}
		send(media.Key, "d")
		if st := send(0, "e"); st != Recording || string(r.read("dir/x.ts")) != "Hde" {
			t.Errorf("%s of %q", st, r.read("dir/x.ts"))
		}
	})
}

// stuckFile is on a disk that takes nothing until it is let go.
type stuckFile struct {
	plain
	free chan struct{}
}

func (f *stuckFile) flush() error {
	<-f.free
	return nil
}

func (f *stuckFile) finish() error { return f.flush() }

// stuckRig keeps a fed point on such a disk, in files of its own choice.
type stuckRig struct {
	*Room
	point *point.Point
	free  chan struct{}
	well  map[string]bool // files that are on another disk, which takes all
	made  int             // files
}

func newStuckRig(t *testing.T) *stuckRig {
	t.Helper()
	r := &stuckRig{free: make(chan struct{}), point: point.New(point.Options{Name: "a", Buffer: time.Hour}, nil)}
	taken := make(chan struct{})
	close(taken)
	r.Room = New(Options{Log: slog.New(slog.DiscardHandler), create: func(w Want, _ []byte, _ time.Time) (file, error) {
		r.made++
		if r.well[w.File] {
			return &stuckFile{plain: plain{w: Written{Path: w.File}, to: newWriter(nil)}, free: taken}, nil
		}
		return &stuckFile{plain: plain{w: Written{Path: w.File}, to: newWriter(nil)}, free: r.free}, nil
	}})
	f, err := r.point.Publish("encoder", true, time.Now())
	if err == nil {
		_, err = f.Open("mpegts")
	}
	if err != nil {
		t.Fatal(err)
	}
	f.SetHeader([]byte("h"))
	feed(f, [][]byte{{1}, {2}})
	return r
}

// keep has the point kept in another file, and gives its state.
func (r *stuckRig) keep(path string) Status {
	r.Set([]Want{{Point: r.point, Rendition: "mpegts", File: path}})
	synctest.Wait()
	st, _ := r.Of(r.point)
	return st
}

// TestStuckDisk: a disk that answers no more holds up neither a change of what is kept nor
// who asks for the state; another file of the point begins at once, but not without end;
// the room's end waits for a while.
func TestStuckDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newStuckRig(t)
		began := time.Now()
		for i, path := range []string{"one", "two", "three", "four"} {
			st := r.keep(path)
			if st.File != path || r.made != min(i+1, mostEnding) {
				t.Errorf("%s: %d files were begun, %+v", path, r.made, st)
			}
			if waits := i >= mostEnding; waits != (st.State == Waiting && st.Reason != "") {
				t.Errorf("%s is %s: %q", path, st.State, st.Reason)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the changes took %v", took)
		}
		r.Close()
		if took := time.Since(began); took != closeTimeout {
			t.Errorf("the room ended after %v", took)
		}
		close(r.free)
		began = time.Now()
		r.Close()
		if took := time.Since(began); took != 0 || r.made != mostEnding {
			t.Errorf("the disk answers, and the room ended after %v with %d files", took, r.made)
		}
	})
}

// TestStuckGoesOn: who waits for the files before it begins once one of them is finished.
func TestStuckGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newStuckRig(t)
		defer r.Close()
		for _, path := range []string{"one", "two", "three"} {
			r.keep(path)
		}
		close(r.free)
		synctest.Wait()
		if st, _ := r.Of(r.point); st.State != Recording || st.Path != "three" || st.Reason != "" {
			t.Errorf("%+v", st)
		}
	})
}

// TestStuckOnce: one file on a dead disk holds up nobody for ever, as long as others end.
func TestStuckOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newStuckRig(t)
		defer r.Close()
		defer close(r.free)
		r.well = map[string]bool{"two": true, "three": true, "four": true}
		for _, path := range []string{"one", "two", "three", "four"} {
			if st := r.keep(path); st.State != Recording || st.Path != path {
				t.Errorf("%s: %+v", path, st)
			}
		}
	})
}

// TestNeverBegan: who waited in vain is none that the next one waits for.
func TestNeverBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newStuckRig(t)
		defer r.Close()
		for _, path := range []string{"one", "two", "three", "four", "five"} {
			r.keep(path)
		}
		if r.made != mostEnding {
			t.Errorf("%d files were begun", r.made)
		}
		close(r.free)
		synctest.Wait()
		if st, _ := r.Of(r.point); st.State != Recording || st.Path != "five" || r.made != mostEnding+1 {
			t.Errorf("%+v of %d files", st, r.made)
		}
	})
}

// slowFile is on a disk that is slower than the stream: while it takes a packet, more come.
type slowFile struct {
	plain
	takes func(media.Packet)
}

func (f *slowFile) packet(p media.Packet) error {
	f.w.Packets++
	f.w.Bytes += uint64(len(p.Bytes))
	f.takes(p)
	return nil
}

func (f *slowFile) flush() error  { return nil }
func (f *slowFile) finish() error { return nil }

// TestSlowDiskEnds: a recorder that is told to end writes what had come until then, into the
// file that is open.
func TestSlowDiskEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const told, most = 5, 500 // packets
		made, packets, end := 0, 0, -1
		p := point.New(point.Options{Name: "a", Buffer: time.Hour}, nil)
		f, err := p.Publish("encoder", true, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err = f.Open("mpegts"); err != nil {
			t.Fatal(err)
		}
		f.SetHeader([]byte("h"))
		sent := 0
		send := func() {
			f.Append(media.Packet{Flags: media.Key}, []byte{1})
			sent++
		}
		var r *Room
		takes := func(media.Packet) {
			if packets++; packets < most {
				send()
				send()
			}
			if packets == told {
				end = sent
				r.Set(nil)
			}
		}
		r = New(Options{Log: slog.New(slog.DiscardHandler), create: func(w Want, _ []byte, _ time.Time) (file, error) {
			made++
			return &slowFile{plain: plain{w: Written{Path: w.File}}, takes: takes}, nil
		}})
		send()
		r.Set([]Want{{Point: p, Rendition: "mpegts", File: "x", Bytes: 2}})
		synctest.Wait()
		r.Close()
		if packets != end || made != (told+1)/2 {
			t.Errorf("%d packets were written, of %d that had come, in %d files", packets, end, made)
		}
	})
}

func TestName(t *testing.T) {
	at := time.Date(2026, 5, 1, 2, 3, 4, 0, time.UTC)
	for in, want := range map[string]string{
		"rec/{point}-{time}.asf": "rec/sports_news-20260501-020304.asf",
		"%Y/%m/%d/%H%M%S%%Y.asf": "2026/05/01/020304%Y.asf",
		"x":                      "x",
	} {
		if got := Name(in, "sports/news", at); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
	if got := Name("{point}", "..", at); got != "_" {
		t.Errorf("a folder: %s", got)
	}
}
