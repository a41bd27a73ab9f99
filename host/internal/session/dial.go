package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/netio"
)

// dialed is what DIAL has opened: a file, a flow, or an error.
type dialed struct {
	number uint32
	file   File
	flow   flow
	reach  *reach
	loop   bool
	err    error
}

func (d *dialed) close() {
	if d.file != nil {
		_ = d.file.Close()
	}
	if d.flow != nil {
		d.flow.Close()
	}
}

// firstDialed is the lowest number that a plugin may give a connection: 1 is the one
// that a session begins with.
const firstDialed = 2

func (b *batch) reserveDial(raw abi.Raw) error {
	d, s := &b.rec.rest.dial, b.s
	if err := b.decode(raw, d); err != nil {
		return err
	}
	taken := func(x dialed) bool { return x.number == d.Conn }
	if d.Conn < firstDialed || s.conn(d.Conn) != nil || slices.ContainsFunc(b.dials, taken) {
		return denyf(abi.EINVAL, "connection number %d is taken or below %d", d.Conn, firstDialed)
	}
	address := string(d.URL)
	scheme, path, _ := strings.Cut(address, ":")
	x := dialed{number: d.Conn, loop: d.Flags&abi.DialLoop != 0}
	if isReach(scheme) {
		var err error
		if x.reach, err = b.reserveReach(d); err != nil {
			return err
		}
		b.dials = append(b.dials, x)
		return nil
	}
	if scheme == "udp" && strings.HasPrefix(path, "//"+peerHost+":") {
		return b.reserveDialPeer(x, address)
	}
	switch scheme {
	case "file":
		if !s.r.grant.Load().reads(path) {
			return denyf(abi.EPERM, "reading %q is not granted to this plugin in plugins.yaml (grant: read)", path)
		}
		x.file, x.err = s.r.room.options.OpenFile(path)
	case "udp", "rtp":
		o, err := parseFlowURL(address)
		if err == nil {
			err = s.r.grant.Load().receives(o.Group)
		}
		if err != nil {
			return err
		}
		x.flow, x.err = s.r.room.join(o)
	default:
		return denyf(abi.ENOSYS, "DIAL knows file:, udp:, rtp:, tcp:, tls:, http: and https: URLs only, not %q", scheme)
	}
	b.dials = append(b.dials, x)
	return nil
}

// parseFlowURL reads udp://[SOURCE@]ADDRESS:PORT[?interface=NAME] (spec.md §6.17).
func parseFlowURL(s string) (o netio.GroupOptions, err error) {
	bad := func(what string) (netio.GroupOptions, error) {
		return o, denyf(abi.EINVAL, "%q: %s; write for example udp://@239.192.7.7:5000?interface=eth0", s, what)
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return bad("is no URL")
	case u.Path != "" || u.Fragment != "" || u.Opaque != "":
		return bad("goes on behind the port")
	}
	host := u.Host
	if strings.HasPrefix(host, ":") {
		host = "0.0.0.0" + host
	}
	if o.Group, err = netip.ParseAddrPort(host); err != nil || o.Group.Port() == 0 {
		return bad("has no address in figures with a port")
	}
	if o.Group.Addr().Zone() != "" {
		return bad("names the interface by a zone, and not by ?interface=")
	}
	o.Group = netip.AddrPortFrom(o.Group.Addr().Unmap(), o.Group.Port())
	if source, _ := url.PathUnescape(u.User.String()); source != "" { // an IPv6 address looks like a name and a password
		if o.Source, err = netip.ParseAddr(source); err != nil || !o.Group.Addr().IsMulticast() || o.Source.Is4() != o.Group.Addr().Is4() {
			return bad("what stands before @ is no sender's address for a group")
		}
	}
	for key, values := range u.Query() {
		if key != "interface" || len(values) != 1 || values[0] == "" {
			return bad("the query is not interface=NAME")
		}
		o.Interface = values[0]
	}
	return o, nil
}

// receives is an error unless the plugin may receive what is sent to an address.
func (g Grant) receives(to netip.AddrPort) error {
	switch {
	case to.Addr().IsMulticast():
		if g.Group == nil || !g.Group(to) {
			return denyf(abi.EPERM, "group %v is not granted to this plugin in plugins.yaml (grant: group: [\"%v\"])", to, to)
		}
	case g.Listen == nil || !g.Listen(to):
		return denyf(abi.EPERM, "receiving at %v is not granted to this plugin in plugins.yaml (grant: listen: [\"udp:%v\"])", to, to)
	}
	return nil
}

func (b *batch) commitDial(raw abi.Raw) {
	_ = b.decode(raw, &b.rec.rest.dial)
	number := b.rec.rest.dial.Conn
	for i, d := range b.dials {
		if d.number == number {
			b.dials[i].file, b.dials[i].flow = nil, nil // the session's from now on
			b.s.dialed(d)
			return
		}
	}
}

// dialed gives the session the connection that DIAL asked for.
func (s *Session) dialed(d dialed) {
	e := &abi.Dialed{Head: abi.Head{Conn: d.number}}
	switch {
	case d.err != nil:
		e.Code, e.Text = dialCode(d.err), []byte(d.err.Error())
		s.enqueue(e)
	case d.flow != nil:
		if remote := d.flow.Remote(); remote.IsValid() {
			e.Local, e.Remote = []byte(d.flow.Local().String()), []byte(remote.String())
		}
		s.enqueue(e)
		s.receive(d)
	case d.reach != nil:
		s.reachOut(d)
	default:
		e.Size = uint64(d.file.Size())
		c := &conn{number: d.number, in: newInlet(s.markReady), file: d.file}
		s.enter(c)
		s.enqueue(e)
		s.r.room.readers.Go(func() { pumpFile(d.file, c.in, d.loop) })
	}
}

// dialCode says in the plugin's words why nothing could be opened (spec.md §5.8).
func dialCode(err error) abi.Code {
	var name *net.DNSError
	var denied *netio.DeniedError
	switch {
	case errors.As(err, &denied):
		return abi.EPERM
	case errors.As(err, &name) && !name.IsTimeout:
		return abi.ENOENT
	case errors.As(err, &name):
		return abi.EDEADLINE
	}
	for _, c := range dialCodes {
		if errors.Is(err, c.cause) {
			return c.code
		}
	}
	return abi.EINTERNAL
}

var dialCodes = []struct {
	cause error
	code  abi.Code
}{
	{syscall.EADDRINUSE, abi.EBUSY},
	{os.ErrPermission, abi.EPERM}, // EACCES and EPERM too
	{os.ErrDeadlineExceeded, abi.EDEADLINE}, {syscall.ETIMEDOUT, abi.EDEADLINE},
	{net.ErrClosed, abi.ECLOSED}, {os.ErrClosed, abi.ECLOSED}, {netio.ErrTooManyPeers, abi.EBUSY},
	{os.ErrNotExist, abi.ENOENT}, {syscall.ENOTDIR, abi.ENOENT},
	{netio.ErrNoInterface, abi.ENOENT}, {syscall.ENODEV, abi.ENOENT}, // no interface or route for the group
	{syscall.EADDRNOTAVAIL, abi.ENOENT}, // no address of this computer's
	{netio.ErrPeer, abi.EPROTO}, {netio.ErrReplyHead, abi.ETOOBIG},
	{syscall.ECONNREFUSED, abi.ECLOSED}, {syscall.ECONNRESET, abi.ECLOSED}, {syscall.EPIPE, abi.ECLOSED}, {io.EOF, abi.ECLOSED}, {io.ErrUnexpectedEOF, abi.ECLOSED},
	{syscall.EHOSTUNREACH, abi.ENOENT}, {syscall.ENETUNREACH, abi.ENOENT},
	{context.DeadlineExceeded, abi.EDEADLINE},
}

// receive begins to take what a dialled flow brings.
func (s *Session) receive(d dialed) {
	c, k := s.flow(d.number, d.flow)
	s.enter(c)
	if d.flow.Remote().IsValid() {
		c.flow.answered.Store(true) // the stream beside it has proved the address
	} else {
		s.w.watchSilence(s, c, dialSilence)
	}
	d.flow.Start(k)
}

// reserveSend checks a datagram that is to go out.
func (b *batch) reserveSend(raw abi.Raw) error {
	w := &b.rec.rest.send
	if err := b.decode(raw, w); err != nil {
		return err
	}
	c := b.s.conn(w.Conn)
	switch {
	case c == nil:
		return denyf(abi.ENOENT, "no connection %d", w.Conn)
	case c.flow == nil:
		return denyf(abi.ESTATE, "connection %d is no flow of datagrams", w.Conn)
	case !c.flow.Remote().IsValid():
		return denyf(abi.ESTATE, "connection %d has no peer", w.Conn)
	case c.closed:
		return denyf(abi.ECLOSED, "connection %d is closed", w.Conn)
	}
	pieces, err := b.gather(&w.Pieces)
	if err != nil {
		return err
	}
	n := 0
	for _, p := range pieces {
		n += len(p)
	}
	if n > abi.MaxDatagram {
		return denyf(abi.ETOOBIG, "a datagram of %d bytes; %d are possible", n, abi.MaxDatagram)
	}
	return nil
}

// commitSend sends a datagram. What the socket has no room for is lost, as it would be
// on the way.
func (b *batch) commitSend(raw abi.Raw) {
	w, sc := &b.rec.rest.send, &b.s.w.scratch
	_ = b.decode(raw, w)
	pieces, _ := b.gather(&w.Pieces)
	sc.datagram = sc.datagram[:0]
	for _, p := range pieces {
		sc.datagram = append(sc.datagram, p...)
	}
	c := b.s.conn(w.Conn)
	c.flow.asked.Store(true) // the answer may come before Send returns
	if err := c.flow.Send(sc.datagram); err != nil {
		c.flow.unsent++
		b.s.r.log.Debug("datagram not sent", "session", b.s.id, "peer", b.s.name(), "bytes", len(sc.datagram), "error", err)
	}
}

// joinFlow opens a flow of what is sent to a group or to an address of this computer's.
func joinFlow(o netio.GroupOptions) (flow, error) {
	f, err := netio.JoinGroup(o)
	if err != nil {
		return nil, fmt.Errorf("receive %v: %w", o.Group, err)
	}
	return f, nil
}
