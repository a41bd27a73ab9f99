//go:build !linux

package dgram

import "net/netip"

// Name lets its users build elsewhere.
type Name struct{}

// PutAddrPort does nothing.
func (*Name) PutAddrPort(netip.AddrPort) {}
