package netio

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// GroupOptions describe what JoinGroup receives.
type GroupOptions struct {
	// Group is a multicast group and port; or an address of this computer's own,
	// of which everything sent to it is received.
	Group      netip.AddrPort
	Interface  string     // name; empty: as the system routes the group
	Source     netip.Addr // the only sender to be heard; invalid: all
	ReadBuffer int        // bytes; 0: DefaultReadBuffer
}

// check judges what can be judged without the system.
func (o *GroupOptions) check() error {
	group := o.Group.Addr()
	switch {
	case !o.Group.IsValid():
		return fmt.Errorf("group %s: invalid address", o.Group)
	case o.Source.IsValid() && !group.IsMulticast():
		return fmt.Errorf("group %s with source %s: %w", group, o.Source, ErrNotMulticast)
	case o.Source.IsValid() && o.Source.Is4() != group.Is4():
		return fmt.Errorf("group %s: source %s is of the other family", group, o.Source)
	}
	return nil
}

// check judges a listener's group.
func (m Membership) check() error {
	if !m.Group.IsMulticast() {
		return fmt.Errorf("group %s: %w", m.Group, ErrNotMulticast)
	}
	return nil
}

// ErrNoInterface is the cause when a group is to be joined on an interface that
// is not there.
var ErrNoInterface = errors.New("no such interface")

// GroupError says which group could not be joined. It unwraps to the cause.
type GroupError struct {
	Group     netip.Addr
	Interface string // as it was named, or empty
	Err       error
}

// Error names the group, the interface and what can be done.
func (e *GroupError) Error() string {
	switch {
	case errors.Is(e.Err, ErrNoInterface):
		return fmt.Sprintf("join group %s: no interface %q", e.Group, e.Interface)
	case e.Interface != "":
		return fmt.Sprintf("join group %s on %s: %v", e.Group, e.Interface, e.Err)
	case errors.Is(e.Err, syscall.ENODEV):
		return fmt.Sprintf("join group %s: no route leads to it; name the interface", e.Group)
	}
	return fmt.Sprintf("join group %s: %v", e.Group, e.Err)
}

// Unwrap gives the cause.
func (e *GroupError) Unwrap() error { return e.Err }
