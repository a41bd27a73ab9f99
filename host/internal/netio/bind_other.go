//go:build !linux

package netio

import "net"

// listenConfig is as Go has it.
var listenConfig net.ListenConfig
