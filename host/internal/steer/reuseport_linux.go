package steer

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Spreader chooses, for each datagram to a group of UDP sockets bound alike (SO_REUSEPORT), the socket that gets it: it is what netio calls a Spreader.
// All methods are safe for concurrent use. Who made it closes it.
type Spreader struct {
	log  *slog.Logger
	best string // rungs above are not tried; for tests

	mu     sync.Mutex
	groups map[int]*spread
}

// spread is one group.
type spread struct {
	rung    string
	first   syscall.RawConn
	id      payloadID
	v6      bool
	workers int // of the generation in force

	objects  skReuseportObjects
	begun    bool
	current  uint32 // of the two generations
	draining bool
}

// payloadID is where a flow's id stands in its datagrams, in bytes; length 0: nowhere.
type payloadID struct{ offset, length int }

// NewSpreader makes one without groups.
func NewSpreader(o Options) *Spreader {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Spreader{log: o.Log, best: RungEBPF, groups: make(map[int]*spread)}
}

// Attach takes over a group by its first socket, which must be bound, and says by which rung. The id of a flow is length bytes of its payload from
// offset on; length 0: its addresses and ports. With generations, flows stay where they are when Begin names other workers, until Retire.
func (s *Spreader) Attach(group int, first syscall.RawConn, offset, length int) (rung string, generations bool, err error) {
	if length < 0 || length > maxIDBytes || offset < 0 {
		return "", false, fmt.Errorf("spread: id of %d bytes at %d", length, offset)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &spread{first: first, id: payloadID{offset, length}, rung: RungHash}
	family, err := option(first, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return "", false, fmt.Errorf("spread: family of the first socket: %w", err)
	}
	g.v6 = family == unix.AF_INET6
	if s.best == RungEBPF {
		if err = g.attachEBPF(); err == nil {
			g.rung = RungEBPF
		} else {
			s.log.Info("datagrams are spread without eBPF", "error", unavailable(err))
		}
	}
	if g.rung == RungHash && s.best != RungHash {
		if err = g.attachCBPF(1); err == nil {
			g.rung = RungCBPF
		} else {
			s.log.Info("datagrams are spread by the kernel's hash", "error", err)
		}
	}
	if old := s.groups[group]; old != nil {
		old.close()
	}
	s.groups[group] = g
	return g.rung, g.rung == RungEBPF, nil
}

func (g *spread) attachEBPF() error {
	spec, err := loadSkReuseport()
	if err != nil {
		return err
	}
	if err = spec.Variables[skReuseportVarIdOffset].Set(uint32(g.id.offset)); err != nil {
		return err
	}
	if err = spec.Variables[skReuseportVarIdLength].Set(uint32(g.id.length)); err != nil {
		return err
	}
	if err = spec.LoadAndAssign(&g.objects, nil); err != nil {
		return err
	}
	err = setOption(g.first, unix.SO_ATTACH_REUSEPORT_EBPF, g.objects.Spread.FD())
	if err != nil {
		g.objects.Close()
		return fmt.Errorf("attach: %w", err)
	}
	return nil
}

// Begin makes sockets the workers of flows to come. On the rung of eBPF the sockets before, which must be others, keep the flows that are known to
// them until Retire. On lower ones sockets are the first of the group, in the order of their binding, and flows may move at once.
func (s *Spreader) Begin(group int, sockets []syscall.RawConn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[group]
	switch {
	case g == nil:
		return fmt.Errorf("spread: no group %d", group)
	case len(sockets) == 0 || len(sockets) > maxWorkers:
		return fmt.Errorf("spread: %d workers; from 1 to %d are possible", len(sockets), maxWorkers)
	case g.draining:
		return errors.New("spread: the generation before the last is not retired")
	}
	var err error
	switch g.rung {
	case RungEBPF:
		err = g.begin(sockets)
	case RungCBPF:
		if err = g.attachCBPF(len(sockets)); err == nil {
			settle()
		}
	default:
		if len(sockets) < g.workers {
			err = errors.New("the kernel's hash leaves no socket out")
		}
	}
	if err != nil {
		return fmt.Errorf("spread: begin with %d workers: %w", len(sockets), err)
	}
	g.workers = len(sockets)
	return nil
}

// begin puts a generation in force by one byte's change.
func (g *spread) begin(sockets []syscall.RawConn) error {
	next := uint32(0)
	if g.begun {
		next = 1 - g.current
	}
	for i, socket := range sockets {
		if err := g.put(next*maxWorkers+uint32(i), socket); err != nil {
			g.clear(next)
			return fmt.Errorf("worker %d: %w", i, err)
		}
	}
	if err := g.objects.State.Put(1+next, uint32(len(sockets))); err != nil {
		g.clear(next)
		return err
	}
	control := next
	if g.begun {
		control |= stateDraining
	}
	if err := g.objects.State.Put(uint32(0), control); err != nil {
		g.clear(next)
		return err
	}
	g.current, g.draining, g.begun = next, g.begun, true
	return nil
}

// stateDraining is DRAINING in bpf/reuseport.c.
const stateDraining = 2

func (g *spread) put(index uint32, socket syscall.RawConn) error {
	var err error
	control := socket.Control(func(fd uintptr) { err = g.objects.Workers.Put(index, uint64(fd)) })
	return errors.Join(control, err)
}

// clear takes a generation's sockets out.
func (g *spread) clear(generation uint32) {
	for i := range uint32(maxWorkers) {
		if err := g.objects.Workers.Delete(generation*maxWorkers + i); err != nil {
			return // the first that is empty: they are filled from 0 on
		}
	}
}

// Retire ends the older generation, if any: once it returns, no datagram reaches those sockets any more, but what they hold is still to be read.
func (s *Spreader) Retire(group int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[group]
	if g == nil || !g.draining {
		return nil
	}
	if err := g.objects.State.Put(uint32(0), g.current); err != nil {
		return fmt.Errorf("spread: retire: %w", err)
	}
	settle()
	g.clear(1 - g.current)
	g.draining = false
	return nil
}

// Stats sums the counters of all groups.
func (s *Spreader) Stats() (SpreadStats, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sum SpreadStats
	for _, g := range s.groups {
		if g.rung != RungEBPF {
			continue
		}
		var each []skReuseportSpreadCounters
		if err := g.objects.SpreadStats.Lookup(uint32(0), &each); err != nil {
			return sum, fmt.Errorf("spread: read counters: %w", err)
		}
		for _, c := range each {
			sum.Opened += c.Opened
			sum.Moved += c.Moved
			sum.Missed += c.Missed
		}
	}
	return sum, nil
}

// Close gives the groups up. A program goes on as long as its sockets, here or in another process that inherited them, until another is attached.
func (s *Spreader) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, g := range s.groups {
		errs = append(errs, g.close())
	}
	clear(s.groups)
	return errors.Join(errs...)
}

func (g *spread) close() error {
	if g.rung != RungEBPF {
		return nil
	}
	return g.objects.Close()
}

func option(socket syscall.RawConn, level, name int) (value int, err error) {
	control := socket.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), level, name) })
	return value, errors.Join(control, err)
}

func setOption(socket syscall.RawConn, name, value int) (err error) {
	control := socket.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, name, value) })
	return errors.Join(control, err)
}
