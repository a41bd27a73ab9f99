package holder

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// list gives the sockets with this port, of both families.
func list(ctx context.Context, udp bool, port uint16) ([]socket, error) {
	all, err := ask(udp, port)
	if err == nil {
		return all, nil
	}
	all, fallback := readNet(ctx, udp, port)
	if fallback != nil {
		return nil, errors.Join(err, fallback)
	}
	return all, nil
}

// payload is a part of a netlink request that is bytes already.
type payload []byte

func (b payload) Len() int          { return len(b) }
func (b payload) Serialize() []byte { return b }

// ask asks sock_diag (sock_diag(7)), which needs no rights.
func ask(udp bool, port uint16) (all []socket, err error) {
	protocol := uint8(unix.IPPROTO_TCP)
	if udp {
		protocol = unix.IPPROTO_UDP
	}
	for _, family := range []uint8{familyV4, familyV6} {
		r := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
		r.AddData(payload(request(family, protocol)))
		r.AddData(nl.NewRtAttr(attrByteCode, portFilter(port)))
		err = r.ExecuteIter(unix.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY, func(b []byte) bool {
			if s, ok := parseMessage(b, udp); ok && s.address.Port() == port {
				all = append(all, s)
			}
			return true
		})
		if err != nil && !errors.Is(err, nl.ErrDumpInterrupted) && !(family == familyV6 && errors.Is(err, syscall.ENOENT)) {
			return nil, err
		}
	}
	return all, nil
}

// readNet reads what /proc/net shows, where sock_diag is not to be had.
func readNet(ctx context.Context, udp bool, port uint16) (all []socket, err error) {
	name := "/proc/thread-self/net/tcp"
	if udp {
		name = "/proc/thread-self/net/udp"
	}
	for _, name := range []string{name, name + "6"} {
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) && name[len(name)-1] == '6' {
			continue
		}
		if err != nil {
			return nil, err
		}
		for lines := bufio.NewScanner(f); lines.Scan() && ctx.Err() == nil; {
			if s, ok := parseNet(lines.Text(), udp); ok && s.address.Port() == port {
				all = append(all, s)
			}
		}
		f.Close()
	}
	return all, ctx.Err()
}

// owners notes who has the inodes open. It looks at each process that this user may look into, until the context ends.
func owners(ctx context.Context, inodes map[uint64][]int) {
	proc, err := os.Open("/proc")
	if err != nil {
		return
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	for _, name := range names {
		if ctx.Err() != nil {
			return
		}
		if pid, err := strconv.Atoi(name); err == nil {
			open(ctx, pid, inodes)
		}
	}
}

// open notes which of the inodes one process has open.
func open(ctx context.Context, pid int, inodes map[uint64][]int) {
	folder := "/proc/" + strconv.Itoa(pid) + "/fd"
	dir, err := os.Open(folder)
	if err != nil {
		return // it has ended, or is another user's
	}
	defer dir.Close()
	seen := map[uint64]bool{}
	for ctx.Err() == nil {
		names, _ := dir.Readdirnames(256) // chosen: a server with many connections has many
		if len(names) == 0 {
			return
		}
		for _, name := range names {
			link, err := os.Readlink(folder + "/" + name)
			if err != nil {
				continue
			}
			inode, ok := parseInode(link)
			if _, wanted := inodes[inode]; ok && wanted && !seen[inode] {
				seen[inode] = true
				inodes[inode] = append(inodes[inode], pid)
			}
		}
	}
}

// program gives the name of a process.
func program(pid int) string {
	comm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil {
		return "?"
	}
	return parseProgram(string(comm))
}

func userName(uid uint32) string {
	number := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(number); err == nil {
		return u.Username
	}
	return number
}
