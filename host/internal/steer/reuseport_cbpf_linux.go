package steer

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// mix32 is 2^32 / golden ratio, made odd: products of neighbouring ids differ in their upper bits.
const mix32 = 0x9E3779B1

// netHeader makes an offset count from the IP header on (SKF_NET_OFF in include/uapi/linux/filter.h); otherwise it counts from the payload.
const netHeader = -0x100000

// attachCBPF gives the group's first sockets a classic program, which needs no rights.
func (g *spread) attachCBPF(workers int) error {
	var err error
	program := g.classic(workers)
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	control := g.first.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF, &prog)
	})
	if err = errors.Join(control, err); err != nil {
		return fmt.Errorf("attach classic program: %w", err)
	}
	return nil
}

// load is a big-endian word of the datagram.
type load struct{ offset, size int }

// classic chooses the socket by a hash of the flow's id, or of the sender's address and port. A datagram too short for it goes to the first.
func (g *spread) classic(workers int) []unix.SockFilter {
	var p []unix.SockFilter
	hash := func(l load) {
		p = append(p, loadWord(l),
			unix.SockFilter{Code: unix.BPF_LDX | unix.BPF_MEM, K: 0},
			unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_XOR | unix.BPF_X},
			unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_MUL | unix.BPF_K, K: mix32},
			unix.SockFilter{Code: unix.BPF_ST, K: 0})
	}
	p = append(p, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_IMM}, unix.SockFilter{Code: unix.BPF_ST, K: 0})
	for _, l := range g.words() {
		hash(l)
	}
	if g.id.length == 0 && !g.v6 { // its header's length varies: the port stands behind it
		p = append(p, unix.SockFilter{Code: unix.BPF_LDX | unix.BPF_MSH | unix.BPF_B, K: at(netHeader)},
			unix.SockFilter{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_IND, K: at(netHeader)},
			unix.SockFilter{Code: unix.BPF_LDX | unix.BPF_MEM, K: 0},
			unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_XOR | unix.BPF_X},
			unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_MUL | unix.BPF_K, K: mix32})
	}
	return append(p,
		unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K, K: 16},
		unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_MOD | unix.BPF_K, K: uint32(workers)},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_A})
}

// words are what the hash is made of, but for the port behind an IPv4 header.
func (g *spread) words() (words []load) {
	switch {
	case g.id.length == 0 && g.v6: // source address and port (RFC 8200 3; the port stands there without extension headers)
		for i := range 4 {
			words = append(words, load{netHeader + 8 + 4*i, 4})
		}
		return append(words, load{netHeader + 40, 2})
	case g.id.length == 0: // source address (RFC 791 3.1)
		return []load{{netHeader + 12, 4}}
	}
	for at, left := g.id.offset, g.id.length; left > 0; {
		size := 4
		for size > left {
			size /= 2
		}
		words = append(words, load{at, size})
		at, left = at+size, left-size
	}
	return words
}

func loadWord(l load) unix.SockFilter {
	size := map[int]uint16{1: unix.BPF_B, 2: unix.BPF_H, 4: unix.BPF_W}[l.size]
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_ABS | size, K: at(l.offset)}
}

// at is an offset as an instruction holds it.
func at(offset int) uint32 { return uint32(int32(offset)) }
