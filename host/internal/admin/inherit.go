package admin

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/weir-media/weir/host/internal/handover"
)

// takeSocket makes the socket where another server still answers, which gives its place up.
func takeSocket(path string) (*socketDoor, error) {
	ln, err := handover.Listen(path)
	if err != nil {
		return nil, err
	}
	file, err := os.Lstat(path)
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("open admin socket: %w", err)
	}
	return &socketDoor{path: path, changed: make(chan struct{}), now: ln, file: file}, nil
}

// listen opens a TCP address, or takes the socket that was inherited for it.
func (o Options) listen(name, address string) (net.Listener, error) {
	if ln := o.Inherited[name]; ln != nil && ln.Addr().String() == address {
		delete(o.Inherited, name)
		return ln, nil
	}
	return net.Listen("tcp", address)
}

// Listeners gives the TCP sockets by name, for another process to inherit. They stay the Server's.
func (s *Server) Listeners() map[string]net.Listener {
	all := map[string]net.Listener{}
	for _, d := range s.doors {
		if d.name != "socket" {
			all[d.name] = d.listener
		}
	}
	return all
}

// Release stops listening and leaves the socket's file to the server that has taken it. Requests under way are answered; Close must follow.
func (s *Server) Release() {
	s.release.Do(func() { close(s.closing) })
	for _, d := range s.doors {
		s.loops.Go(func() { _ = d.http.Shutdown(context.Background()) })
	}
}
