package host

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

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

// webAddress gives a URL's beginning under which programs on this computer reach the
// first open listener that has plugins; empty if there is none.
func (s *Server) webAddress() (name, at string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.config().Listeners {
		l := s.listeners[c.Name]
		if l == nil || l.tcp == nil || len(l.place.dialled) == 0 || len(s.pluginsOn(c.Name)) == 0 {
			continue
		}
		scheme := "http://"
		if c.TLS.Cert != "" {
			scheme = "https://"
		}
		if at == "" || scheme == "http://" {
			name, at = c.Name, scheme+authority(l.place.dialled[0])
		}
		if scheme == "http://" {
			break
		}
	}
	return name, at
}

// maxExamples is how many URLs of a point are printed. Chosen.
const maxExamples = 3

// printExamples prints commands that play each point and push to those that take it.
func (s *Server) printExamples() {
	listener, at := s.webAddress()
	if at == "" {
		return
	}
	w := s.options.Out
	for _, p := range s.room.Points() {
		fmt.Fprintln(w)
		if p.Options().IsPush() {
			fmt.Fprintf(w, "push to %s (any file, or a camera):\n", p.Name())
			fmt.Fprintf(w, "  ffmpeg -re -f lavfi -i testsrc=s=320x240:r=15 -f lavfi -i sine=1000 -c:v wmv2 -g 30 -b:v 300k -c:a wmav2 -f asf_stream -method POST %s/%s\n", at, p.Name())
			fmt.Fprintf(w, "  ffmpeg -re -i FILE -c:v libx264 -g 50 -c:a aac -f mpegts -method POST %s/%s\n", at, p.Name())
		}
		s.printPlays(p, listener)
	}
	fmt.Fprintln(w)
}

// printPlays prints what is announced of a point.
func (s *Server) printPlays(p *point.Point, listener string) {
	for i, e := range s.book.Endpoints(p, "", listener) {
		if i == maxExamples {
			break
		}
		if i == 0 {
			fmt.Fprintf(s.options.Out, "play %s:\n", p.Name())
		}
		fmt.Fprintf(s.options.Out, "  ffplay %s\n", e.URL)
	}
}
