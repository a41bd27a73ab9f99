package thread

import (
	"encoding/binary"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lookEvery is for how long nobody looks at the network while goroutines compute. Chosen: nobody notices 1 ms, and a look takes some 5 µs.
const lookEvery = time.Millisecond

// Yield is runtime.Gosched for a goroutine that computes for long, and sees to those that wait for a socket. Go's scheduler looks at the network when
// it finds nothing else to run, and besides only each 10 ms: so long whoever waits there would wait, while goroutines that give way to each other keep
// all processors busy. So now and then the caller itself waits for an event of the network that it has made, and with it all who yield meanwhile.
func Yield() {
	l, err := theLook()
	if err != nil || sinceEpoch()-l.last.Load() < int64(lookEvery) {
		runtime.Gosched()
		return
	}
	_ = l.raw.Read(l.pass) // it fails when nobody waits for the network any more
}

// look waits for an event descriptor that it writes to. One goroutine at a time does: the others wait for it.
type look struct {
	raw  syscall.RawConn
	pass func(fd uintptr) bool
	rung bool
	last atomic.Int64 // when it was done, since epoch
}

var (
	epoch   = time.Now()
	theLook = sync.OnceValues(newLook)
)

func sinceEpoch() int64 { return int64(time.Since(epoch)) }

func newLook() (*look, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	l := &look{}
	l.pass = l.ring
	l.raw, err = os.NewFile(uintptr(fd), "eventfd").SyscallConn()
	return l, err
}

// one is added with each ring. Nobody reads it: each addition is an event, and 64 bits do not run full.
var one = binary.NativeEndian.AppendUint64(nil, 1)

// ring makes an event and has the caller wait for it, once.
func (l *look) ring(fd uintptr) (done bool) {
	if l.rung {
		l.rung = false
		l.last.Store(sinceEpoch())
		return true
	}
	if sinceEpoch()-l.last.Load() < int64(lookEvery) { // the caller waited for another's look
		return true
	}
	l.rung = true
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(one))), uintptr(len(one))) // cannot wait
	return false
}
