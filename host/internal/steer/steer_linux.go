package steer

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// ErrTaken is the error of a change to a table that another process has changed since: it is that process's now. Resume takes it back.
var ErrTaken = errors.New("steering table: another process has taken it over")

// errClosed is the error of all calls after Close.
var errClosed = fmt.Errorf("steering table: %w", os.ErrClosed)

// destinationsMax is DESTINATIONS in bpf/sk_lookup.c.
const destinationsMax = 1024

// ruleDrop is RULE_DROP in bpf/sk_lookup.c.
const ruleDrop = 1

// destination is what sockets and counters are kept for.
type destination struct {
	Listener string
	Protocol Protocol
}

// Table is the rule set in force in one network namespace. It is safe for concurrent use. Who opened or adopted it closes it. A table that lives on in
// another process by its Files may be changed by one process only.
type Table struct {
	log *slog.Logger

	mu           sync.Mutex
	closed       bool
	link         link.Link
	objects      skLookupObjects
	generation   uint32    // in force; its lowest bit chooses the image
	images       [2]*image // nil: to be read from the kernel
	claims       []Claim
	destinations map[destination]uint32
	cookies      map[uint32]uint64 // of the sockets attached here, by slot
	measuring    io.Closer         // nil until ProgramTime
}

func newTable(o Options) *Table {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Table{log: log, destinations: map[destination]uint32{}, cookies: map[uint32]uint64{}}
}

// Open puts an empty table in force in the calling thread's network namespace: nothing is steered before Set. The error is an *Unavailable.
func Open(o Options) (*Table, error) {
	t := newTable(o)
	t.images = [2]*image{newImage(), newImage()}
	_ = rlimit.RemoveMemlock() // only kernels before 5.11 count maps as locked memory; if they are refused for it, unavailable says so
	if err := loadSkLookupObjects(&t.objects, nil); err != nil {
		return nil, unavailable(err)
	}
	if err := t.attach(); err != nil {
		_ = t.objects.Close()
		return nil, unavailable(err)
	}
	return t, nil
}

func (t *Table) attach() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer ns.Close()
	l, err := link.AttachNetNs(int(ns.Fd()), t.objects.Steer)
	if err != nil {
		return err
	}
	t.link = l
	return nil
}

// Close gives up the table. Unless another process holds its Files, look-ups then go to whoever is bound. Attached sockets stay open.
func (t *Table) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	err := t.link.Close()
	if t.measuring != nil {
		err = errors.Join(err, t.measuring.Close())
	}
	return errors.Join(err, t.objects.Close())
}

// owned checks that no other process has changed the table.
func (t *Table) owned() error {
	if t.closed {
		return errClosed
	}
	var inForce uint32
	if err := t.objects.Active.Lookup(uint32(0), &inForce); err != nil {
		return fmt.Errorf("steering table: read generation: %w", err)
	}
	if inForce != t.generation {
		return ErrTaken
	}
	return nil
}

// Set replaces the whole rule set at once: each look-up sees the claims before or those after. When it returns, the claims before have no effect any more.
// Listeners that no claim names are forgotten with their sockets and counters; so attach a new listener's sockets, then set its claims.
// After an error the claims before are in force.
func (t *Table) Set(claims []Claim) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.owned(); err != nil {
		return err
	}
	named, err := t.change(claims)
	if err != nil {
		return err
	}
	settle()
	t.forget(named)
	return nil
}

// change is Set but for what has to wait for look-ups under way. It returns what the claims name.
func (t *Table) change(claims []Claim) (map[destination]bool, error) {
	tidied := make([]Claim, len(claims))
	named := map[destination]bool{}
	for i, c := range claims {
		var err error
		if tidied[i], err = tidy(c); err != nil {
			return nil, err
		}
		named[destination{c.Listener, c.Protocol}] = true
	}
	for _, c := range tidied {
		if _, err := t.number(destination{c.Listener, c.Protocol}); err != nil {
			return nil, err
		}
	}
	parts, err := cut(tidied, func(c Claim) uint32 { return t.destinations[destination{c.Listener, c.Protocol}] })
	if err != nil {
		return nil, err
	}
	if err := t.put(parts); err != nil {
		return nil, err
	}
	t.claims = slices.Clone(claims)
	return named, nil
}

// put writes the generation that is not in force, and puts it in force.
func (t *Table) put(parts cutting) error {
	next := t.generation + 1 // wraps: only its lowest bit and its being another one matter
	side := next & 1
	old, err := t.image(side)
	if err != nil {
		return err
	}
	im, err := render(old, parts)
	if err != nil {
		return err
	}
	t.images[side] = nil // until it is written whole
	if err := t.write(side, difference(old, im)); err != nil {
		return err
	}
	if err := t.objects.Active.Put(uint32(0), next); err != nil {
		return fmt.Errorf("steering table: put generation %d in force: %w", next, err)
	}
	t.images[side], t.generation = im, next
	return nil
}

// write brings one generation's half of the maps up to date.
func (t *Table) write(side uint32, c changes) error {
	for _, k := range c.remove {
		if err := t.objects.Rules.Delete(ruleKey(side, k)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("steering table: remove rule for %v: %w", k.prefix, err)
		}
	}
	for k, to := range c.put {
		value := skLookupRule{Destination: to.destination}
		if to.drop {
			value.Flags = ruleDrop
		}
		if err := t.objects.Rules.Put(ruleKey(side, k), value); err != nil {
			return fmt.Errorf("steering table: write rule for %v: %w", k.prefix, err)
		}
	}
	if len(c.words) == 0 {
		return nil
	}
	keys := make([]uint32, len(c.words))
	for i, n := range c.words {
		keys[i] = side*ports + n
	}
	if _, err := t.objects.PortClass.BatchUpdate(keys, c.classes, nil); err != nil {
		return fmt.Errorf("steering table: write classes of %d ports: %w", len(keys), err)
	}
	return nil
}

// settleFor is how long settle waits where the kernel has no better word. Chosen: a run of the program takes less than a microsecond.
const settleFor = 20 * time.Millisecond

// settle returns when no run of the program that began before still goes on. Only then may what it could be reading be written anew.
func settle() {
	// Is synchronize_rcu (kernel/sched/membarrier.c), and programs run in RCU read-side sections. Refused with nohz_full.
	const membarrierGlobal = 1 // MEMBARRIER_CMD_GLOBAL, linux/membarrier.h
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0); errno != 0 {
		<-time.After(settleFor)
	}
}

// Claims are those of the last Set, in whichever process.
func (t *Table) Claims() []Claim {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.claims)
}

// number is a destination's, found or given. A new one counts from 0.
func (t *Table) number(d destination) (uint32, error) {
	if n, ok := t.destinations[d]; ok {
		return n, nil
	}
	used := make([]bool, destinationsMax)
	for _, n := range t.destinations {
		used[n] = true
	}
	n := slices.Index(used, false)
	if n < 0 {
		return 0, fmt.Errorf("listener %s: steering has place for %d listeners only", d.Listener, destinationsMax)
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return 0, err
	}
	if err := t.objects.Stats.Put(uint32(n), make([]skLookupCounters, cpus)); err != nil {
		return 0, fmt.Errorf("listener %s: clear counters: %w", d.Listener, err)
	}
	t.destinations[d] = uint32(n)
	return uint32(n), nil
}

// forget drops the destinations that are not named.
func (t *Table) forget(named map[destination]bool) {
	for d, n := range t.destinations {
		if named[d] {
			continue
		}
		for slot := n * 2; slot < n*2+2; slot++ {
			if err := t.objects.Sockets.Delete(slot); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) && !errors.Is(err, unix.EINVAL) {
				t.log.Warn("a socket stays in the steering table", "listener", d.Listener, "error", err)
			}
			delete(t.cookies, slot)
		}
		delete(t.destinations, d)
	}
}
