package wasm

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/weir-media/weir/host/internal/thread"
)

// Chosen.
const (
	// slice is how much fuel a guest gets at once: at most 1.5 ms of the worst that it can buy, loads that no cache has, and some 20 µs of other code
	// (cost.go).
	slice = 120_000
	// turn is how long a guest runs at least before others get theirs. With eight guests on two cores a collection of garbage took 12 ms; with turns of
	// 1 ms it took 320.
	turn = 100 * time.Microsecond
	// maxTurn is how long it may run when others take long turns, and takenBack the part of them that it then takes for itself. A goroutine that
	// computes has 10 ms: a guest of 4 ms among four of them took 1.8 s with turns of 0.1 ms. That part keeps guests from lengthening each other's
	// turns while there are no more than 16 on a core.
	maxTurn, takenBack = time.Millisecond, 16
	// hostWork is how much the host does for a guest, in units of about a microsecond at most, before it asks like an empty tank.
	hostWork = 128
	// bytesPerWork is how many bytes are such a unit: line ends, which are the dearest, take some 10 ns each.
	bytesPerWork = 128
	// hostBytes is how many bytes one function of the host handles before it asks.
	hostBytes = hostWork * bytesPerWork
	// maxStack is how deep a guest may recurse, in bytes of its machine stack; some 30,000 frames of Go.
	maxStack = 4 << 20
)

var (
	errOvertime = errors.New("ran too long")
	errStack    = errors.New("stack overflow")
)

// tank is where an instance's fuel comes from: the clock of the call under way. A call that never asks for fuel never reads a clock; the first slice
// is free, and so is the turn that begins with the first question: most calls end in it, and the thread's clock is a system call of 0.7 µs.
//
// What counts is the guest's own time: not what others had when it stood aside, nor when the system stood it aside, of which the wall clock knows
// nothing. So the clock is the thread's, and the call is held on its thread from its second turn to its end.
type tank struct {
	limit  time.Duration
	ran    time.Duration
	since  time.Duration        // when its turn began; 0: the call has not asked yet
	turn   time.Duration        // how long that is
	spell  time.Duration        // what the thread's clock said then, if it is held
	held   bool                 // on its thread; not in the first turn
	counts bool                 // among those that compute
	work   int                  // of the host's functions since the last question
	stack  reflect.Value        // the machine stack of the function that the host called; zero: unknown
	now    func() time.Duration // monotonic, never 0; nil: sinceEpoch
}

// fill begins a call, which end must end, on the same goroutine.
func (t *tank) fill(limit time.Duration) {
	t.limit, t.ran, t.since, t.turn = limit, 0, 0, turn
}

// end ends a call.
func (t *tank) end() {
	t.release()
	if t.counts {
		t.counts = false
		thread.End()
	}
}

// release lets the goroutine change threads again.
func (t *tank) release() {
	if t.held {
		t.held = false
		runtime.UnlockOSThread()
	}
}

var epoch = time.Now()

// sinceEpoch is a monotonic clock that never says 0.
func sinceEpoch() time.Duration { return time.Since(epoch) + 1 }

func (t *tank) clock() time.Duration {
	if t.now != nil {
		return t.now()
	}
	return sinceEpoch()
}

// refuel is called by the guest's code when there is no fuel left. It does not return when the call has to end.
func (t *tank) refuel() int32 {
	if t.stack.IsValid() && t.stack.Len() > maxStack {
		panic(errStack)
	}
	switch now := t.clock(); {
	case t.since == 0:
		t.since = now
	case now-t.since >= t.turn:
		t.stand(now)
	}
	return slice
}

// begin begins a turn that counts.
func (t *tank) begin(now time.Duration) {
	if !t.held {
		t.held = true
		runtime.LockOSThread()
	}
	t.since, t.spell = now, thread.Clock()
}

// stand counts a turn and lets others have theirs. The thread is let go of for that: to leave a held one takes two switches of the system's, 35 µs.
func (t *tank) stand(now time.Duration) {
	if t.held {
		t.ran += min(now-t.since, thread.Clock()-t.spell)
	}
	if t.ran >= t.limit {
		panic(errOvertime)
	}
	t.release()
	if !t.counts {
		t.counts = true
		thread.Begin()
	}
	thread.Yield()
	t.begin(t.clock())
	t.turn = min(max((t.since-now)/takenBack, turn), maxTurn)
}

// hostCall counts a call of a function of the host, for which the guest's code has paid no more than for an addition.
func (t *tank) hostCall() { t.weigh(1) }

// weigh counts work of the host's.
func (t *tank) weigh(work int) {
	if t.work += work; t.work >= hostWork {
		t.work = 0
		t.refuel()
	}
}

// pieces cuts bytes that a function of the host is to handle, counts them and asks between them.
func (t *tank) pieces(b []byte, handle func([]byte)) {
	for len(b) > 0 {
		n := min(len(b), hostBytes)
		handle(b[:n])
		b = b[n:]
		t.weigh(n / bytesPerWork)
	}
}

// stackOf finds the machine stack of a function that wazero compiled. It is no part of wazero's interface, so there may be none to find.
func stackOf(f api.Function) reflect.Value {
	v := reflect.ValueOf(f)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return reflect.Value{}
	}
	stack := v.Elem().FieldByName("stack")
	if !stack.IsValid() || stack.Kind() != reflect.Slice {
		return reflect.Value{}
	}
	return stack
}

// provideRefuel makes the meter's import, which is not among those that guests may ask for.
func provideRefuel(ctx context.Context, r wazero.Runtime) error {
	refuel := api.GoModuleFunc(func(ctx context.Context, _ api.Module, stack []uint64) {
		stack[0] = uint64(uint32(guestOf(ctx).tank.refuel()))
	})
	_, err := r.NewHostModuleBuilder(meterModule).NewFunctionBuilder().
		WithGoModuleFunction(refuel, nil, []api.ValueType{api.ValueTypeI32}).Export(refuelName).Instantiate(ctx)
	return err
}
