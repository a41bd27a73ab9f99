package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weir-media/weir/host/internal/datename"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/sdk/asf"
)

// file is a file that is written.
type file interface {
	packet(p media.Packet) error
	flush() error
	finish() error // closes it; on an error too
	written() Written
}

// bufferBytes is how much is written at once while packets come fast. Chosen.
const bufferBytes = 256 << 10

// Name gives the path that a pattern stands for: {point} is the point's name, with "_" for
// what cannot stand in a file's name, {time} is %Y%m%d-%H%M%S, and %Y %m %d %H %M %S are the
// time, UTC; %% is a percent sign.
func Name(pattern, name string, at time.Time) string {
	safe := strings.Map(func(r rune) rune {
		if r == '/' || r == 0 || r == os.PathSeparator {
			return '_'
		}
		return r
	}, name)
	if safe == "." || safe == ".." {
		safe = "_"
	}
	return strings.NewReplacer("{point}", safe, "{time}", at.UTC().Format("20060102-150405")).Replace(datename.Name(pattern, at))
}

// create makes a file that is not there yet, with a number behind its name if need be, and
// writes the header.
func create(w Want, header []byte, now time.Time) (file, error) {
	path := Name(w.File, w.Point.Name(), now)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	f, err := createNew(path)
	if err != nil {
		return nil, err
	}
	p := plain{f: f, to: newWriter(f)}
	p.w.Path = f.Name()
	if w.Rendition != "asf" {
		err = p.put(header)
		return closeIf(&p, err)
	}
	h, err := asf.ParseHeader(header)
	if err != nil {
		err = fmt.Errorf("the rendition's header: %w", err)
	} else {
		err = p.put(header[:h.Size])
	}
	return closeIf(&windowsMedia{plain: p, header: append([]byte(nil), header[:max(0, h.Size)]...), size: h.PacketSize, made: now}, err)
}

func closeIf(f file, err error) (file, error) {
	if err == nil {
		err = f.flush()
	}
	if err != nil {
		err = errors.Join(err, f.finish())
		_ = os.Remove(f.written().Path) // a full disk would fill with empty ones
		return nil, err
	}
	return f, nil
}

func newWriter(f *os.File) *bufio.Writer { return bufio.NewWriterSize(f, bufferBytes) }

// mostAlike bounds the files with the same name but for a number. Chosen.
const mostAlike = 10_000

func createNew(path string) (*os.File, error) {
	for n := 1; ; n++ {
		f, err := os.OpenFile(datename.Further(path, n), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640) //nolint:gosec // the operator's choice of group
		if err == nil || !errors.Is(err, fs.ErrExist) || n == mostAlike {
			return f, err
		}
	}
}

// plain is a file that is the packets one after another, a transport stream say.
type plain struct {
	f  *os.File
	to *bufio.Writer
	w  Written
}

func (p *plain) put(b []byte) error {
	n, err := p.to.Write(b)
	p.w.Bytes += uint64(n)
	return err
}

func (p *plain) packet(k media.Packet) error {
	p.w.Packets++
	return p.put(k.Bytes)
}

func (p *plain) flush() error     { return p.to.Flush() }
func (p *plain) written() Written { return p.w }

func (p *plain) finish() error { return errors.Join(p.flush(), p.f.Close()) }

// windowsMedia is an ASF file. Until it is finished it is a live stream's: every player
// reads it to its end.
type windowsMedia struct {
	plain
	header      []byte
	size        int // of a packet
	made        time.Time
	parsed      asf.Packet
	full        []byte
	first, last media.Time
}

// packet writes a packet at its full size: what a live stream leaves out of its padding, a
// file must have (ASF 5.2).
func (w *windowsMedia) packet(k media.Packet) error {
	if err := asf.ParsePacket(k.Bytes, w.size, &w.parsed); err != nil {
		return fmt.Errorf("packet %d: %w", k.Seq, err)
	}
	if w.w.Packets == 0 {
		w.first = k.DTS
	}
	w.last = max(w.last, k.DTS+media.FromDuration(time.Duration(w.parsed.Duration)*time.Millisecond))
	w.full = asf.AppendFull(w.full[:0], k.Bytes, w.size, &w.parsed)
	k.Bytes = w.full
	return w.plain.packet(k)
}

// since1601 is 1970 on the clock of ASF 2.1.
const since1601 = 116_444_736_000_000_000

func (w *windowsMedia) finish() error {
	err := w.flush()
	if err == nil && w.w.Packets > 0 {
		long := uint64(max(0, w.last-w.first)) / 100
		err = asf.Recorded(w.header, asf.Recording{Packets: w.w.Packets, Created: since1601 + uint64(w.made.UnixNano())/100, Play: long, Send: long})
		if err == nil {
			_, err = w.f.WriteAt(w.header, 0)
		}
	}
	return errors.Join(err, w.f.Close())
}
