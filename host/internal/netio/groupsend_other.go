//go:build !linux

package netio

import "net"

func dialGroup(SendOptions) (*net.UDPConn, error) { return nil, errNoUDP }
