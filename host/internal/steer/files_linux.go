package steer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// stateVersion is of the memory file that goes with the descriptors.
const stateVersion = 1

// stateBytesMax bounds what is read of it. Chosen: 65,536 claims of some 100 bytes and more.
const stateBytesMax = 16 << 20

// filesCount is state, link, program, and the maps in the order of maps.
const filesCount = 8

// state is what the kernel's objects do not tell: names.
type state struct {
	Version      int
	Destinations []numbered
	Claims       []Claim
}

// numbered is a destination with its place in the maps.
type numbered struct {
	destination
	Number uint32
}

// Files duplicates the table's descriptors, for Adopt in another process; the caller closes them. The table stays in force as long as one
// process holds them. This process changes the table no more once the other one has.
func (t *Table) Files() ([]*os.File, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errClosed
	}
	l, ok := t.link.(interface{ FD() int })
	if !ok {
		return nil, errors.New("steering table: its link has no descriptor")
	}
	memory, err := t.stateFile()
	if err != nil {
		return nil, fmt.Errorf("steering table: write state: %w", err)
	}
	files := []*os.File{memory}
	descriptors := []int{l.FD(), t.objects.Steer.FD()}
	for _, m := range t.maps() {
		descriptors = append(descriptors, (*m).FD())
	}
	for i, fd := range descriptors {
		copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			closeAll(files)
			return nil, fmt.Errorf("steering table: duplicate descriptor: %w", err)
		}
		files = append(files, os.NewFile(uintptr(copied), fmt.Sprintf("steering-%d", i)))
	}
	return files, nil
}

// maps are the table's, in the order of Files.
func (t *Table) maps() []**ebpf.Map {
	o := &t.objects
	return []**ebpf.Map{&o.Active, &o.PortClass, &o.Rules, &o.Sockets, &o.Stats}
}

// stateFile writes the names into a file of memory.
func (t *Table) stateFile() (*os.File, error) {
	s := state{Version: stateVersion, Claims: t.claims}
	for d, n := range t.destinations {
		s.Destinations = append(s.Destinations, numbered{d, n})
	}
	b, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("weir-steering", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "weir-steering")
	if _, err := f.Write(b); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Adopt continues a table from the descriptors that Files gave in another process. It closes the files. Nothing changes before the first Attach or Set:
// attach this process's sockets under the names that the claims have, and no look-up is missed. The table has the layout of the program that opened it;
// if that is not this one's, Adopt fails and changes nothing.
func Adopt(files []*os.File, o Options) (*Table, error) {
	defer closeAll(files)
	t, err := adopt(files, o)
	if err != nil {
		return nil, fmt.Errorf("steering table: adopt: %w", err)
	}
	return t, nil
}

func adopt(files []*os.File, o Options) (*Table, error) {
	if len(files) != filesCount {
		return nil, fmt.Errorf("%d descriptors instead of %d", len(files), filesCount)
	}
	s, err := readState(files[0])
	if err != nil {
		return nil, err
	}
	t := newTable(o)
	t.claims = s.Claims
	for _, d := range s.Destinations {
		t.destinations[d.destination] = d.Number
	}
	if err := t.wrap(files[1:]); err != nil {
		t.discard()
		return nil, err
	}
	if err := t.load(); err != nil {
		t.discard()
		return nil, err
	}
	return t, nil
}

// wrap makes objects of copies of the descriptors and compares them with this program's own.
func (t *Table) wrap(files []*os.File) error {
	spec, err := loadSkLookup()
	if err != nil {
		return err
	}
	fd, err := copied(files[0])
	if err != nil {
		return err
	}
	if t.link, err = link.NewFromFD(fd); err != nil {
		return fmt.Errorf("link: %w", err)
	}
	if fd, err = copied(files[1]); err != nil {
		return err
	}
	if t.objects.Steer, err = ebpf.NewProgramFromFD(fd); err != nil {
		return fmt.Errorf("program: %w", err)
	}
	if err = t.linked(); err != nil {
		return err
	}
	names := []string{skLookupMapActive, skLookupMapPortClass, skLookupMapRules, skLookupMapSockets, skLookupMapStats}
	for i, m := range t.maps() {
		if fd, err = copied(files[2+i]); err != nil {
			return err
		}
		if *m, err = ebpf.NewMapFromFD(fd); err != nil {
			return fmt.Errorf("map %s: %w", names[i], err)
		}
		if err = spec.Maps[names[i]].Compatible(*m); err != nil {
			return fmt.Errorf("map %s is of another layout: %w", names[i], err)
		}
	}
	return nil
}

// linked checks that the descriptors are of a link and of the program that it links.
func (t *Table) linked() error {
	if _, ok := t.link.(*link.NetNsLink); !ok {
		return errors.New("the link is of another kind")
	}
	l, err := t.link.Info()
	if err != nil {
		return err
	}
	p, err := t.objects.Steer.Info()
	if err != nil {
		return err
	}
	if id, ok := p.ID(); !ok || id != l.Program || t.objects.Steer.Type() != ebpf.SkLookup {
		return errors.New("the program is not the link's")
	}
	return nil
}

// load learns from the kernel what is in force.
func (t *Table) load() error {
	if err := t.objects.Active.Lookup(uint32(0), &t.generation); err != nil {
		return fmt.Errorf("read generation: %w", err)
	}
	settle() // the process before may have ended right after it changed the generation
	images, err := t.read()
	t.images = images
	return err
}

// Resume takes the table back from a process that adopted and changed it but failed later. The caller then attaches all its sockets and sets its claims
// again; until then what the other process did is in force.
func (t *Table) Resume() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errClosed
	}
	if err := t.load(); err != nil {
		return fmt.Errorf("steering table: resume: %w", err)
	}
	return nil
}

// discard closes what wrap made before it failed.
func (t *Table) discard() {
	if t.link != nil {
		_ = t.link.Close()
	}
	if t.objects.Steer != nil {
		_ = t.objects.Steer.Close()
	}
	for _, m := range t.maps() {
		if *m != nil {
			_ = (*m).Close()
		}
	}
}

func readState(f *os.File) (state, error) {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, stateBytesMax))
	if err != nil {
		return state{}, fmt.Errorf("read state: %w", err)
	}
	return parseState(b)
}

func parseState(b []byte) (state, error) {
	var s state
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&s); err != nil {
		return state{}, fmt.Errorf("read state: %w", err)
	}
	if s.Version != stateVersion {
		return state{}, fmt.Errorf("read state: version %d instead of %d", s.Version, stateVersion)
	}
	numbers := map[uint32]bool{}
	for _, d := range s.Destinations {
		if d.Number >= destinationsMax || numbers[d.Number] || d.Protocol > UDP {
			return state{}, fmt.Errorf("read state: %v listener %s with number %d", d.Protocol, d.Listener, d.Number)
		}
		numbers[d.Number] = true
	}
	return s, nil
}

// copied duplicates a file's descriptor.
func copied(f *os.File) (int, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	var inner error
	if err := raw.Control(func(of uintptr) { fd, inner = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return -1, err
	}
	return fd, inner
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
