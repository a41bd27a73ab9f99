package host

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/netio/holder"
	"github.com/weir-media/weir/host/internal/nserr"
	"github.com/weir-media/weir/host/internal/steer"
)

// ListenError is a listener that could not be opened, in words for an operator.
type ListenError struct {
	Listener string
	Address  netip.AddrPort // zero if it is not about one
	Code     nserr.Code     // 0 if none fits
	Cause    error
	Holder   string // who has the address: "nginx (pid 123)"; empty where that is not the reason
	Remedy   string
}

// Error is one line: the code, the listener, the reason and what to do.
func (e *ListenError) Error() string {
	return strings.TrimSpace(e.Code.String()+" listener "+e.Listener) + ": " + e.Reason() + "; " + e.Remedy
}

// Reason is what went wrong and who is in the way.
func (e *ListenError) Reason() string {
	switch {
	case e.Holder == "":
		return e.Cause.Error()
	case errors.Is(e.Cause, syscall.EADDRINUSE):
		return e.Cause.Error() + " by " + e.Holder
	}
	return e.Cause.Error() + ", and the address is in use by " + e.Holder
}

// Unwrap gives the cause.
func (e *ListenError) Unwrap() error { return e.Cause }

// again is what to do once a listener of the configuration in force can be opened.
func (s *Server) again(c config.Listener) string {
	if on := s.pluginsOn(c.Name); len(on) > 0 {
		return "then run: weir plugin enable " + on[0]
	}
	return "then start weir again"
}

// listenError finds out why a listener could not be opened, and what would help here and now; again
// is what to do after that.
func (s *Server) listenError(c config.Listener, err error, again string) *ListenError {
	t := trouble{listener: c, again: again, privileged: privilegedPorts()}
	var bind *netio.BindError
	if errors.As(err, &bind) {
		t.address = bind.Address
	}
	errors.As(err, &t.steer)
	if bind == nil && t.steer != nil && len(c.Claims) > 0 {
		t.address = netip.AddrPortFrom(c.Claims[0].Prefix.Addr(), c.Claims[0].First)
	}
	t.holders = holdersOf(c.UDP, t.address)
	if len(t.holders) == 0 && errors.Is(err, syscall.EADDRINUSE) { // it has let go meanwhile, or nothing can be asked here
		t.holders = []holder.Holder{{}}
	}
	return t.explain(err)
}

// holderTimeout bounds the search for the program that holds an address. Chosen: /proc of 10,000 processes takes about 0.3 s.
const holderTimeout = time.Second

func holdersOf(udp bool, a netip.AddrPort) []holder.Holder {
	if !a.IsValid() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), holderTimeout)
	defer cancel()
	all, err := holder.Find(ctx, udp, a)
	if err != nil {
		return nil
	}
	return all
}

// trouble is all that the explanation of a listener's failure depends on.
type trouble struct {
	listener   config.Listener
	address    netip.AddrPort
	holders    []holder.Holder // those who have the address, the likeliest first; empty: that is not the reason
	steer      *steer.Unavailable
	privileged uint16 // the first port that needs no right
	again      string // what to do once it is mended
}

// explain words the failure.
func (t trouble) explain(err error) *ListenError {
	e := &ListenError{Listener: t.listener.Name, Address: t.address, Cause: err}
	var bind *netio.BindError
	if errors.As(err, &bind) {
		e.Cause = bind
	}
	var ways []string
	switch {
	case len(t.holders) > 0 && (errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES) || t.steer != nil):
		// The kernel asks for the right to a port before it looks who has it, so EACCES may hide the holder.
		e.Code, e.Holder = nserr.PortInUseHTTP, t.holders[0].String()
		if t.listener.UDP {
			e.Code = nserr.PortInUse
		}
		ways = t.heldWays(errors.Is(err, syscall.EACCES))
	case errors.Is(err, syscall.EACCES):
		ways = t.rightWays()
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT), errors.Is(err, syscall.ENODEV):
		if t.address.Addr().IsMulticast() || errors.Is(err, syscall.ENODEV) {
			e.Code = nserr.BadMulticastAddress
		}
		ways = t.absentWays()
	case errors.Is(err, syscall.EMFILE):
		ways = []string{"weir has as many files open as it may: raise LimitNOFILE= of its unit, or ulimit -n"}
	case errors.Is(err, syscall.ENFILE):
		ways = []string{"this computer has as many files open as it may: raise the sysctl fs.file-max"}
	case t.steer != nil:
		ways = []string{t.steerWay()}
	default:
		ways = []string{"see listeners." + t.listener.Name + " in the configuration"}
	}
	e.Remedy = alternatives(ways) + ", " + t.again
	return e
}

// alternatives joins ways to mend something: "a, b, or c".
func alternatives(ways []string) string {
	if len(ways) < 2 {
		return strings.Join(ways, "")
	}
	last := len(ways) - 1
	return strings.Join(ways[:last], ", ") + ", or " + ways[last]
}
