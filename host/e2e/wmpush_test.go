package e2e

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/access"
	"github.com/weir-media/weir/sdk/asf"
)

// serveWM is serve with Windows Media push beside the other plugins.
func serveWM(t *testing.T, config, rest string) server {
	t.Helper()
	const push = `  wmpush: {module: "builtin:wmpush", listeners: [web], grant: {publish: ["*"]}, config: {CONFIG}}
  push:`
	return server{hosttest.Start(t, strings.Replace(plugins, "  push:", strings.Replace(push, "CONFIG", config, 1), 1)+rest)}
}

// hasPoint tells whether status lists a point.
func (s server) hasPoint(name string) bool {
	return slices.ContainsFunc(s.Status().Points, func(p hosttest.Point) bool { return p.Name == name })
}

// TestWindowsMediaEncoder: an encoder sets a push session up and starts; a player decodes
// it; a second encoder is refused by either plugin; the encoder says the end.
func TestWindowsMediaEncoder(t *testing.T) {
	t.Parallel()
	s := serveWM(t, "", "  live: {source: push, grace: 1s}\n  demo: {source: {url: \"file:builtin/demo.asf\"}}\n")
	e := s.newEncoder(t, "live")
	e.live(s, "AutoDestroy: 0\r\n")
	mmsh := s.watch(t, "/live", player)
	s.WaitMedia("live", time.Second)
	t.Run("second", func(t *testing.T) {
		second := s.newEncoder(t, "live")
		second.sendSetUp("")
		second.wants(http.StatusConflict, "NS_E_PUSH_DUPLICATE_PUBLISHING_POINT_NAME (0xC00D1520)")
		curl.run(t, "-sS -i -X POST --data-binary x", s.http("/live")).says("409 Conflict")
		pulled := s.newEncoder(t, "demo")
		pulled.sendSetUp("")
		pulled.wants(http.StatusForbidden, "NS_E_INVALID_PUSH_PUBLISHING_POINT")
		nowhere := s.newEncoder(t, "nowhere")
		nowhere.sendSetUp("AutoDestroy: 1\r\n")
		nowhere.wants(http.StatusNotFound, "NS_E_INVALID_PUBLISHING_POINT_NAME")
		stranger := s.newEncoder(t, "live")
		stranger.id = "1"
		stranger.head("pushstart", unknownLength)
		stranger.wants(http.StatusNotFound, "NS_E_SESSION_NOT_FOUND")
	})
	ffmpegPlays(t, s.mmsh("/live"))
	e.halt()
	e.write(wmChunk(asf.ChunkEnd, noReason))
	e.wants(http.StatusNoContent, "")
	film := mmsh.ended(t)
	parseMMSH(t, film).endsWith(t, asf.ReasonDone)
	exact(t, film, e.reel)
	s.Wait("no push session is left", func() bool { return len(s.Sessions("live")) == 0 })
}

// exact asserts that the packets of a player's stream are those of the encoder, one after
// another, payload by payload.
func exact(t *testing.T, stream []byte, of reel) {
	t.Helper()
	at, n := -1, 0
	for len(stream) > 0 {
		k, need, err := asf.ParseChunk(stream, asf.FramedMMS)
		if err != nil || need > 0 || len(stream) < k.Size {
			t.Fatalf("no whole chunk (%v)", err)
		}
		packet := stream[k.Payload:k.Size]
		stream = stream[k.Size:]
		if k.Kind != asf.ChunkData {
			continue
		}
		if at < 0 {
			at = slices.IndexFunc(of.packets, func(sent []byte) bool { return samePayloads(t, sent, packet, of.size) })
		}
		if at < 0 || at >= len(of.packets) || !samePayloads(t, of.packets[at], packet, of.size) {
			t.Fatalf("the player's packet %d is not the encoder's %d", n, at)
		}
		at++
		n++
	}
	if n < 44 {
		t.Errorf("%d packets", n)
	}
	t.Logf("%d packets, payloads as sent", n)
}

func samePayloads(t *testing.T, a, b []byte, size int) bool {
	t.Helper()
	var p, q asf.Packet
	if asf.ParsePacket(a, size, &p) != nil || asf.ParsePacket(b, size, &q) != nil {
		t.Fatal("no packet")
	}
	if p.SendTime != q.SendTime || p.Count != q.Count {
		return false
	}
	for i, x := range p.List() {
		y := q.List()[i]
		if x.Stream != y.Stream || x.Time != y.Time || !bytes.Equal(a[x.Start:x.End], b[y.Start:y.End]) {
			return false
		}
	}
	return true
}

// TestWindowsMediaEncoderReturns: an encoder's connection is lost. It comes back with the
// same header, and a player goes on; then it changes the header in the middle, and
// players are told that another entry follows.
func TestWindowsMediaEncoderReturns(t *testing.T) {
	t.Parallel()
	s := serveWM(t, "", "  live: {source: push, grace: 8s}\n")
	first := s.newEncoder(t, "live")
	first.live(s, "")
	client := ffmpeg.start(t, progress, "-i", s.mmsh("/live"), "-f null -")
	client.waitFrames(enough / 3) // a second
	before := s.viewers()
	first.kill()
	s.WaitPoint("live", "waiting")

	second := s.newEncoder(t, "live")
	second.live(s, "")
	client.waitFrames(enough)
	if after := s.viewers(); len(after) != 1 || !slices.Equal(after, before) {
		t.Errorf("viewers before the gap: %v; after it: %v", before, after)
	}
	mmsh := s.watch(t, "/live", player)
	s.WaitViewers("live", 2)

	second.halt()
	other, err := os.ReadFile("../../sdk/asf/testdata/wmv2-pipe.asf")
	if err != nil {
		t.Fatal(err)
	}
	second.reel, second.at = cutReel(t, other), 0
	second.write(wmChunk(asf.ChunkEnd, nextEntry))
	second.write(wmChunk(asf.ChunkChange, noReason, second.reel.header))
	second.write(second.next())
	parseMMSH(t, mmsh.ended(t)).endsWith(t, asf.ReasonNext)
	client.wait().succeeded()
	if n := s.Point("live").Sources; n != 2 {
		t.Errorf("%d sources: the change is none of its own", n)
	}
}

// TestPushStarts: several PushStarts are one stream, on the same connection and on others;
// filler in between is nobody's; the session is told of once only.
func TestPushStarts(t *testing.T) {
	t.Parallel()
	s := serveWM(t, "", "  live: {source: push, grace: 1s}\n")
	e := s.newEncoder(t, "live")
	e.setUp("")
	body := wmChunk(asf.ChunkHeader, e.reel.header)
	var mmsh *capture
	for i := range 8 {
		for range 10 {
			body = append(body, e.next()...)
		}
		body = append(body, wmChunk(asf.ChunkFiller, make([]byte, 500))...)
		e.head("pushstart", len(body))
		e.write(body)
		if r := e.wants(http.StatusNoContent, ""); r.Close {
			t.Fatal("the connection is not kept")
		}
		if body = nil; i == 0 {
			s.WaitPoint("live", "live")
			mmsh = s.watch(t, "/live", player)
			s.WaitViewers("live", 1)
		}
		if i%3 == 2 {
			e.connect()
		}
	}
	if p := s.Point("live"); p.Sources != 1 || p.State != "live" {
		t.Errorf("%d sources, %s", p.Sources, p.State)
	}
	busy := s.newEncoder(t, "live")
	busy.id = e.id
	e.head("pushstart", unknownLength)
	e.write(e.next())
	s.Wait("the PushStart is taken", func() bool {
		return slices.ContainsFunc(s.Sessions("live"), func(x hosttest.Session) bool { return x.Plugin == "wmpush" && x.BytesIn > 0 })
	})
	busy.head("pushstart", unknownLength)
	busy.wants(http.StatusConflict, "under way")
	e.write(wmChunk(asf.ChunkEnd, noReason))
	e.wants(http.StatusNoContent, "")
	film := mmsh.ended(t)
	parseMMSH(t, film).endsWith(t, asf.ReasonDone)
	exact(t, film, e.reel)
}

// TestPushTimeout: an encoder that falls silent, in its body or between two, is no source
// any more.
func TestPushTimeout(t *testing.T) {
	t.Parallel()
	s := serveWM(t, "timeout_ms: 1000", "  live: {source: push, grace: 1s}\n  spare: {source: push}\n")
	idle := s.newEncoder(t, "spare")
	idle.setUp("")
	e := s.newEncoder(t, "live")
	e.live(s, "")
	e.halt()
	e.wants(http.StatusRequestTimeout, "NS_E_TIMEOUT")
	s.WaitPoint("live", "idle")
	s.Wait("no push session is left", func() bool { return s.Plugin("wmpush").Sessions == 0 })
	idle.head("pushstart", unknownLength)
	idle.wants(http.StatusNotFound, "NS_E_SESSION_NOT_FOUND")
}

// TestPushTemplates: points are made for encoders where a template fits, and go again.
func TestPushTemplates(t *testing.T) {
	t.Parallel()
	s := serveWM(t, "", `
  news: {source: push, limits: {viewers: 7}}
templates:
  "studio/*": {grace: 1s, limits: {viewers: 3}}
`)
	t.Run("auto destroy", func(t *testing.T) {
		t.Parallel()
		e := s.newEncoder(t, "studio/1")
		e.live(s, "AutoDestroy: 1\r\nTemplate-URL: "+s.http("/news")+"\r\n")
		if p := s.Point("studio/1"); p.Template != "studio/*" || p.MaxViewers != 7 {
			t.Errorf("template %q, %d viewers at most", p.Template, p.MaxViewers)
		}
		mmsh := s.watch(t, "/studio/1", player)
		s.WaitViewers("studio/1", 1)
		ffmpegPlays(t, s.mmsh("/studio/1"))
		e.kill()
		parseMMSH(t, mmsh.ended(t)).endsWith(t, asf.ReasonDone)
		s.Wait("the point is gone", func() bool { return !s.hasPoint("studio/1") })
		curl.run(t, "-sS -i", s.http("/studio/1")).says("404")
	})
	t.Run("grace", func(t *testing.T) {
		t.Parallel()
		e := s.newEncoder(t, "studio/2")
		e.live(s, "")
		if p := s.Point("studio/2"); p.MaxViewers != 3 {
			t.Errorf("%d viewers at most", p.MaxViewers)
		}
		e.kill()
		s.WaitPoint("studio/2", "waiting")
		s.Wait("the point is gone", func() bool { return !s.hasPoint("studio/2") })
	})
	t.Run("plain push", func(t *testing.T) {
		t.Parallel()
		c := ffmpeg.start(t, picture, wmv, framed, s.http("/studio/7"))
		s.Wait("the point is made", func() bool { return s.hasPoint("studio/7") || c.ended() })
		s.WaitMedia("studio/7", time.Second)
		ffmpegPlays(t, s.mmsh("/studio/7"))
		c.kill()
		s.Wait("the point is gone", func() bool { return !s.hasPoint("studio/7") })
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		e := s.newEncoder(t, "studio/3")
		e.setUp("Template-URL: /nowhere\r\n")
		e.head("pushstart", unknownLength)
		e.write(wmChunk(asf.ChunkHeader, e.reel.header))
		e.wants(http.StatusNotFound, "NS_E_INVALID_PUSH_TEMPLATE")
		if s.hasPoint("studio/3") {
			t.Error("the point is there")
		}
		curl.run(t, "-sS -i -X POST --data-binary x", s.http("/other/3")).says("404")
		curl.run(t, "-sS -i --path-as-is -X POST --data-binary x", s.http("/studio/../x")).says("404")
	})
}

// TestPushLogin: an encoder that names no user, or says a wrong password, is told to log in;
// with the right one it feeds the point.
func TestPushLogin(t *testing.T) {
	t.Parallel()
	line, err := access.NewLine(loginName, loginSecret, access.DefaultRealm)
	if err != nil {
		t.Fatal(err)
	}
	const push = `  wmpush: {module: "builtin:wmpush", listeners: [web], grant: {publish: ["*"]}}
  push:`
	yaml := "access:\n  users_file: users.txt\n  rules:\n    - {points: [live], users: [camera1], methods: [basic]}\n" +
		strings.Replace(plugins, "  push:", push, 1) + "  live: {source: push, grace: 1s}\n"
	s := server{hosttest.Start(t, yaml, hosttest.WithFile("users.txt", []byte(line+"\n")))}
	basic := func(secret string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(loginName+":"+secret))
	}
	for name, login := range map[string]string{"none": "", "wrong": basic("wrong")} {
		e := s.newEncoder(t, "live")
		e.login = login
		e.sendSetUp("")
		r := e.wants(http.StatusUnauthorized, "")
		if c := r.Header.Get("WWW-Authenticate"); !strings.HasPrefix(c, "Basic ") {
			t.Errorf("%s: challenged with %q", name, c)
		}
		if n := s.Point("live").Sources; n != 0 {
			t.Errorf("%s: %d sources", name, n)
		}
	}
	e := s.newEncoder(t, "live")
	e.login = basic(loginSecret)
	e.live(s, "")
	s.WaitMedia("live", time.Second)
	ffmpegPlays(t, withLogin(s.http("/live.asf"), credentials)) // ffmpeg knows no login by mmsh
}
