package holder

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Of /proc and include/net/tcp_states.h.
const (
	stateEstablished = 1
	stateClose       = 7 // of a UDP socket that is bound and not connected
	stateListen      = 10
)

// holds tells whether a socket in this state may keep others from its address. The states of a connection's end have no process any more.
func holds(udp bool, state uint8) bool {
	if udp {
		return state == stateClose || state == stateEstablished
	}
	return state == stateListen || state == stateEstablished
}

// parseNet reads a line of /proc/net/tcp, tcp6, udp or udp6 (proc_net(5)).
func parseNet(line string, udp bool) (s socket, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 {
		return socket{}, false
	}
	state, err := strconv.ParseUint(fields[3], 16, 8)
	if err != nil || !holds(udp, uint8(state)) {
		return socket{}, false
	}
	uid, err := strconv.ParseUint(fields[7], 10, 32)
	if err != nil {
		return socket{}, false
	}
	inode, err := strconv.ParseUint(fields[9], 10, 64)
	if err != nil {
		return socket{}, false
	}
	address, err := parseAddress(fields[1])
	if err != nil {
		return socket{}, false
	}
	return socket{address: address, inode: inode, uid: uint32(uid), listening: !udp && state == stateListen}, true
}

// parseAddress reads "0100007F:0050": 32-bit words in the machine's order, in hexadecimal, and a port.
func parseAddress(text string) (netip.AddrPort, error) {
	words, portText, ok := strings.Cut(text, ":")
	if !ok || len(words) != 8 && len(words) != 32 || len(portText) != 4 {
		return netip.AddrPort{}, errors.New("address: not of /proc/net")
	}
	port, err := strconv.ParseUint(portText, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var b []byte
	for word := range slices.Chunk([]byte(words), 8) {
		n, err := strconv.ParseUint(string(word), 16, 32)
		if err != nil {
			return netip.AddrPort{}, err
		}
		b = binary.NativeEndian.AppendUint32(b, uint32(n))
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a, uint16(port)), nil
}

// parseInode reads what a link of /proc/PID/fd says of a socket: "socket:[12345]".
func parseInode(link string) (uint64, bool) {
	text, ok := strings.CutPrefix(link, "socket:[")
	if !ok {
		return 0, false
	}
	if text, ok = strings.CutSuffix(text, "]"); !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil
}

// maxProgram is how many bytes of a program's name are shown: TASK_COMM_LEN is 16, threads of the kernel have 64 (proc_pid_comm(5)).
const maxProgram = 64

// parseProgram makes what a program calls itself fit to be shown.
func parseProgram(comm string) string {
	name := strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(strings.TrimSuffix(comm[:min(len(comm), maxProgram)], "\n"), "?"))
	if name == "" {
		return "?"
	}
	return name
}
