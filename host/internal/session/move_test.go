package session

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/stream"
	"github.com/weir-media/weir/sdk"
)

const encoderYAML = `
name: encoder
roles: [source]
listens:
  http: [{name: push, methods: [POST], path: "/{point}"}]
  raw: [{name: raw, offset: 0, hex: "AABBCCDD"}]
capabilities: [publish]
state: {schema: %s}
`

// takesPush is a push plugin that passes its input through, or, told so by the point's name, piece by piece. Its state says which; a timer that
// goes on in another process is told of in the answer.
func takesPush(m *memo, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.HTTPRequest:
		*m = append(memo(nil), strings.TrimPrefix(string(e.Path), "/")...)
		v.Accept(1)
	case *abi.ConnOpen:
		*m = memo("raw")
		v.Publish(*m, "bytes:toy", 0)
	case *abi.Data:
		at := 0
		if string(*m) != "raw" && e.Offset == 0 {
			v.Publish(*m, "bytes:toy", 0)
			v.SetTimer(7, int64(time.Hour))
			v.Watch(*m)
		}
		if string(*m) == "through" {
			v.FeedThrough(1)
			return nil
		}
		if string(*m) == "raw" && e.Offset == 0 {
			at = 4
		}
		p := v.Pieces()
		p.Input(e.Offset+uint64(at), len(e.Bytes)-at)
		v.Feed(1, p)
		v.Consume(1, e.Offset+uint64(len(e.Bytes)))
	case *abi.End:
		if string(*m) == "raw" {
			v.Close(0, abi.CloseNow, "over")
			return nil
		}
		v.RespondText(200, abi.ResponseClose, "thank you for "+string(*m))
	}
	return nil
}

// mover is two rooms of which the second takes over the sources of the first.
type mover struct {
	t        *testing.T
	from, to *rig
	home     *netio.Listener
}

func newMover(t *testing.T, schema string) *mover {
	t.Helper()
	m := &mover{t: t, home: netio.Home("web", slog.New(slog.DiscardHandler))}
	t.Cleanup(m.home.Close)
	for i, r := range []**rig{&m.from, &m.to} {
		var points []point.Options
		for _, name := range []string{"through", "pieces", "raw"} {
			points = append(points, point.Options{Name: name, Grace: time.Minute})
		}
		*r = newRig(t, false, points...)
		(*r).add(toyYAML, toy)
		(*r).add(fmt.Sprintf(encoderYAML, []string{"encoder/1", schema}[i]), takesPush)
	}
	return m
}

// freeze stops the source of a point once it has fed n packets.
func (m *mover) freeze(name string, n uint64) *Frozen {
	m.t.Helper()
	m.packets(m.from, name, n)
	for {
		f, err := m.from.room.Freeze(m.from.points[name].Feed())
		if err == nil {
			return f
		}
		if !IsBusy(err) {
			m.t.Fatal(err)
		}
	}
}

func (m *mover) packets(r *rig, name string, n uint64) {
	m.t.Helper()
	until(m.t, fmt.Sprintf("point %s has not %d packets", name, n), func() bool {
		x, err := r.points[name].Rendition("toy")
		if err != nil {
			return false
		}
		_, next := x.Log.Bounds()
		return next >= n
	})
}

// carry brings an export to the other room, where the point has the packets of before.
func (m *mover) carry(f *Frozen, name string) (*point.Feed, Export, *os.File) {
	m.t.Helper()
	x, file, err := f.Export()
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { file.Close() })
	text, err := json.Marshal(x)
	if err != nil {
		m.t.Fatal(err)
	}
	var there Export
	if err = json.Unmarshal(text, &there); err != nil {
		m.t.Fatal(err)
	}
	feed, err := m.to.points[name].Publish("relay", true, time.Now())
	if err != nil {
		m.t.Fatal(err)
	}
	source := f.feed.Rendition().Log
	first, _ := source.Bounds()
	if _, err := feed.OpenAt("toy", first, 3); err != nil {
		m.t.Fatal(err)
	}
	feed.SetHeader(source.Header().Bytes)
	for c := source.Cursor(stream.Start{Mode: stream.StartSeq, Seq: first}); ; {
		k, st := c.Next()
		if st != stream.More {
			return feed, there, file
		}
		feed.Append(k, k.Bytes)
	}
}

// payloads gives what the packets of a point hold.
func payloads(r *rig, name string) (all []string) {
	x, _ := r.points[name].Rendition("toy")
	last := media.Time(-1)
	for c := x.Log.Cursor(stream.Start{Mode: stream.StartSeq}); ; {
		k, st := c.Next()
		if st != stream.More {
			return all
		}
		if k.DTS <= last {
			all = append(all, "time goes back")
		}
		last = k.DTS
		all = append(all, string(k.Bytes))
	}
}

func TestSourceMoves(t *testing.T) {
	for _, name := range []string{"through", "pieces", "raw"} {
		t.Run(name, func(t *testing.T) {
			m := newMover(t, "encoder/1")
			wire := append(append(toyPacket(0, "one"), toyPacket(toyStep, "two")...), toyPacket(2*toyStep, "three")...)
			cut := len(wire) - 6 // in the middle of the third
			head := "POST /" + name + " HTTP/1.1\nHost: x\nContent-Length: " + fmt.Sprint(len(wire)) + "\n\n"
			if name == "raw" {
				head = "\xAA\xBB\xCC\xDD"
			}
			conn := m.from.dial(m.from.listen(), head)
			write(t, conn, wire[:cut])
			f := m.freeze(name, 2)
			write(t, conn, wire[cut:cut+2]) // nobody reads it now
			feed, x, file := m.carry(f, name)
			if err := m.to.room.Import(x, feed, m.home, file); err != nil {
				t.Fatal(err)
			}
			back := f.Drop()
			if back == nil || m.from.points[name].Feed() != back {
				t.Error("the point has lost its feed")
			}
			for _, r := range m.from.room.Runners() {
				m.from.waitSessions(r, 0)
			}
			if snap := m.to.points[name].Snapshot(); snap.Sources != 3 || !strings.HasPrefix(snap.Source, "encoder 127.0.0.1:") {
				t.Errorf("%+v", snap)
			}
			write(t, conn, wire[cut+2:])
			m.packets(m.to, name, 3)
			if got := payloads(m.to, name); strings.Join(got, " ") != "one two three" {
				t.Errorf("packets there: %q", got)
			}
			answered(t, conn, name)
			until(t, "the source has not left", func() bool { return m.to.points[name].Feed() == nil })
		})
	}
}

func write(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// answered ends what an encoder sends and expects its answer.
func answered(t *testing.T, conn net.Conn, name string) {
	t.Helper()
	if name == "raw" {
		_ = conn.(*net.TCPConn).CloseWrite()
		if b, err := io.ReadAll(conn); err != nil || len(b) > 0 {
			t.Errorf("raw: %q, %v", b, err)
		}
		return
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || !strings.HasPrefix(string(b), "thank you for "+name) {
		t.Errorf("answer: %s %q", resp.Status, b)
	}
}

// TestSourceStays: who cannot take a source says why, and it goes on where it was, with not a byte lost.
func TestSourceStays(t *testing.T) {
	for _, c := range []struct {
		want   string
		spoil  func(m *mover, x *Export)
		schema string
	}{
		{want: `reads state "encoder/2"`, schema: "encoder/2"},
		{want: "does not run", spoil: func(m *mover, _ *Export) { m.to.room.Runner("encoder").Disable("test") }},
		{want: "does not run", spoil: func(_ *mover, x *Export) { x.Child.Plugin = "nobody" }},
		{want: "the feed is of point", spoil: func(_ *mover, x *Export) { x.Point = "pieces" }},
		{want: "no rendition", spoil: func(_ *mover, x *Export) { x.Rendition = "other" }},
		{want: "which it watches", spoil: func(_ *mover, x *Export) { x.Parent.Watched = []string{"nowhere"} }},
		{want: "may not publish", spoil: func(m *mover, _ *Export) { m.to.room.Runner("encoder").SetGrant(Grant{}) }},
		{want: "that cannot be", spoil: func(_ *mover, x *Export) { x.Child.Input.Consumed = 1 << 40 }},
	} {
		t.Run(c.want, func(t *testing.T) {
			schema := c.schema
			if schema == "" {
				schema = "encoder/1"
			}
			m := newMover(t, schema)
			wire := append(toyPacket(0, "one"), toyPacket(toyStep, "two")...)
			conn := m.from.dial(m.from.listen(), "POST /through HTTP/1.1\nHost: x\nContent-Length: "+fmt.Sprint(len(wire))+"\n\n")
			write(t, conn, wire[:len(wire)-3])
			f := m.freeze("through", 1)
			feed, x, file := m.carry(f, "through")
			if c.spoil != nil {
				c.spoil(m, &x)
			}
			err := m.to.room.Import(x, feed, m.home, file)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			f.Thaw()
			write(t, conn, wire[len(wire)-3:])
			m.packets(m.from, "through", 2)
			if got := payloads(m.from, "through"); strings.Join(got, " ") != "one two" {
				t.Errorf("packets here: %q", got)
			}
			answered(t, conn, "through")
		})
	}
}

// TestFreezeRefuses: a file's source does not move.
func TestFreezeRefuses(t *testing.T) {
	r := newRig(t, false, point.Options{Name: "film", URL: "file:film"})
	r.files["film"] = toyFile(100)
	r.add(toyYAML, toy)
	r.add(fileYAML, filer(true))
	until(t, "the film does not run", func() bool { return r.points["film"].Feed() != nil })
	if f, err := r.room.Freeze(r.points["film"].Feed()); !errors.Is(err, ErrStays) {
		t.Errorf("frozen %v, %v", f, err)
	}
	if r.room.HasPeers() {
		t.Error("a film is no peer")
	}
}
