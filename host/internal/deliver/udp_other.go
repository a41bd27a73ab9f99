//go:build !linux

package deliver

import (
	"net/netip"
	"time"
)

const udpSlots = uint32(1) << 31

// udpSocket lets the package build elsewhere; none can be opened.
type udpSocket struct {
	viewers            []*Viewer
	key                udpKey
	n                  int
	dirty, full, plain bool
}

func (*udpSocket) room() int                { return 0 }
func (*udpSocket) add(*Viewer, []byte, int) {}
func (*udpWorker) discard(*udpSocket)       {}

type udpKey struct{ UDPSocket }

type udpTable struct{}

func (*udpTable) open(*poller, UDPSocket, netip.Addr, int) (*udpSocket, error) {
	return nil, errPlatform
}
func (*udpTable) release(*poller, *udpSocket) bool { return true }
func (*udpTable) retire(*udpSocket)                {}
func (*udpTable) all() []*udpSocket                { return nil }

func (*udpWorker) send(*udpSocket, time.Duration) bool { return true }
func (*udpWorker) happened(uint32)                     {}
