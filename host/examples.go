package host

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/weir-media/weir/host/internal/announce"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/point"
)

// authority is how a program on this computer calls an open listener.
func authority(a netip.AddrPort) string {
	host := a.Addr().String()
	switch {
	case a.Addr() == netip.IPv4Unspecified():
		host = "127.0.0.1"
	case a.Addr() == netip.IPv6Unspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, strconv.Itoa(int(a.Port())))
}

// base gives a listener's URL for programs on this computer, without a path; empty if it
// is not open for TCP. The lock is held.
func (s *Server) base(listener string) string {
	l := s.listeners[listener]
	switch {
	case l == nil || l.tcp == nil || len(l.place.dialled) == 0:
		return ""
	case l.config.TLS.Cert != "":
		return "https://" + authority(l.place.dialled[0])
	}
	return "http://" + authority(l.place.dialled[0])
}

// pushURL is where an encoder may POST a point's stream; empty if nowhere.
func (s *Server) pushURL(p *point.Point) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.config().Plugins {
		x := s.plugins[c.Name]
		if x == nil || x.manifest == nil || x.off != "" || !c.Grant.Publish.Match(p.Name()) || !takesPushes(x.manifest) {
			continue
		}
		for _, name := range c.Listeners {
			if at := s.base(name); at != "" {
				return at + "/" + p.Name()
			}
		}
	}
	return ""
}

func takesPushes(m *manifest.Manifest) bool {
	return m.Asks(manifest.CapPublish) && slices.ContainsFunc(m.Listens.HTTP, func(r manifest.HTTPRoute) bool {
		return len(r.Types) == 0 && slices.Contains(r.Methods, http.MethodPost)
	})
}

// formats are the byte formats for which a plugin runs.
func (s *Server) formats() (all []string) {
	for _, r := range s.room.Runners() {
		if g := r.Generation(); g != nil {
			all = append(all, g.Manifest().Consumes...)
		}
	}
	return all
}

const (
	// maxExamples is how many URLs of a point are printed. Chosen.
	maxExamples = 8
	// begunWithin bounds the wait for sources that the server starts itself, since what can
	// be played is known once they have begun. Chosen: a file takes a part of it.
	begunWithin = time.Second
)

// printExamples prints commands that play each point and push to those that take it.
func (s *Server) printExamples() {
	s.begun()
	for _, p := range s.room.Points() {
		fmt.Fprintln(s.options.Out)
		if url := s.pushURL(p); p.Options().IsPush() && url != "" {
			s.printPushes(p, url)
		}
		s.printPlays(p)
	}
	fmt.Fprintln(s.options.Out)
}

func (s *Server) printPushes(p *point.Point, url string) {
	fmt.Fprintf(s.options.Out, "push to %s (any file, or a camera):\n", p.Name())
	formats := s.formats()
	if slices.Contains(formats, "bytes:asf") {
		fmt.Fprintf(s.options.Out, "  ffmpeg -re -f lavfi -i testsrc=s=320x240:r=15 -f lavfi -i sine=1000 -c:v wmv2 -g 30 -b:v 300k -c:a wmav2 -f asf_stream -method POST %s\n", url)
	}
	if slices.Contains(formats, "bytes:mpegts") {
		fmt.Fprintf(s.options.Out, "  ffmpeg -re -i FILE -c:v libx264 -g 50 -c:a aac -f mpegts -method POST %s\n", url)
	}
	if slices.Contains(formats, "bytes:webm") {
		fmt.Fprintf(s.options.Out, "  ffmpeg -re -i FILE -c:v libvpx -deadline realtime -g 50 -c:a libvorbis -f webm -method POST %s\n", url)
	}
}

// printPlays prints what is announced of a point: the best URL of each scheme and form.
func (s *Server) printPlays(p *point.Point) {
	var printed []announce.Endpoint
	for _, e := range s.book.Endpoints(p, "", "") {
		isKnown := func(x announce.Endpoint) bool { return x.Scheme == e.Scheme && x.Rendition == e.Rendition }
		if len(printed) == maxExamples || slices.ContainsFunc(printed, isKnown) {
			continue
		}
		if len(printed) == 0 {
			fmt.Fprintf(s.options.Out, "play %s:\n", p.Name())
		}
		printed = append(printed, e)
		player := "ffplay"
		if e.Scheme == "mms" { // which ffmpeg has not
			player = "vlc"
		}
		fmt.Fprintf(s.options.Out, "  %s %s\n", player, e.URL)
	}
}

// begun waits until the sources that the server starts itself feed their points, or have
// failed, for a while at most.
func (s *Server) begun() {
	limit := time.NewTimer(begunWithin)
	defer limit.Stop()
	points, bell := s.room.Points(), point.NewBell()
	for _, p := range points {
		p.Watch(bell)
		defer p.Unwatch(bell)
	}
	isComing := func(p *point.Point) bool { return p.Snapshot().State == point.Waiting && !p.Options().IsPush() }
	for slices.ContainsFunc(points, isComing) {
		select {
		case <-limit.C:
			return
		case <-bell:
		}
	}
}
