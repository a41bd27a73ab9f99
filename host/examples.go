package host

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// openAddresses gives what a listener is bound to.
func (s *Server) openAddresses(name string) []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.listeners[name]; l != nil && l.l != nil {
		return l.l.Addrs()
	}
	return nil
}

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

// printExamples prints commands that play each point and push to those that take it.
func (s *Server) printExamples() {
	var at string
	for _, l := range s.config.Listeners {
		if open := s.openAddresses(l.Name); len(open) > 0 && at == "" {
			at = authority(open[0])
		}
	}
	if at == "" {
		return
	}
	w := s.options.Out
	for _, p := range s.config.Points {
		fmt.Fprintln(w)
		if p.Push {
			fmt.Fprintf(w, "push to %s (any file, or a camera):\n", p.Name)
			fmt.Fprintf(w, "  ffmpeg -re -f lavfi -i testsrc=s=320x240:r=15 -f lavfi -i sine=1000 -c:v wmv2 -g 30 -b:v 300k -c:a wmav2 -f asf_stream -method POST http://%s/%s\n", at, p.Name)
			fmt.Fprintf(w, "  ffmpeg -re -i FILE -c:v libx264 -g 50 -c:a aac -f mpegts -method POST http://%s/%s\n", at, p.Name)
		}
		fmt.Fprintf(w, "play %s:\n", p.Name)
		fmt.Fprintf(w, "  ffplay mmsh://%s/%s      mpv mmsh://%s/%s      vlc mmsh://%s/%s\n", at, p.Name, at, p.Name, at, p.Name)
		fmt.Fprintf(w, "  ffplay http://%s/%s      announcement: http://%s/%s.asx\n", at, p.Name, at, p.Name)
	}
	fmt.Fprintln(w)
}
