package proc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
	sdkproc "github.com/weir-media/weir/sdk/proc"
)

// Bounds of a call; chosen.
const (
	maxCause    = 512              // bytes of what a program says of an error
	maxStack    = 8 << 10          // bytes of its stack
	deathNotice = time.Second      // how long a process may take to be seen dead once its connection is
	moves       = 3                // processes that may end before the call is made
	asleep      = 20               // a call that uses no time of a processor ends after so many times its limit
	firstLook   = time.Millisecond // between two looks at a call that is over its limit by the clock on the wall only
)

// ofGRPC begins what gRPC itself says of a message that is too long, or cannot be decoded.
const ofGRPC = "grpc: "

// instance is one stream of a process. When the process dies between two calls, the instance goes on in the next one: nothing that it remembers is
// more than OPEN told it.
type instance struct {
	of       *generation
	process  *process
	stream   grpc.ClientStream
	cancel   context.CancelFunc
	question sdkproc.Frame
	answer   sdkproc.Frame
	watch    watch
	lost     bool   // the last call ended with its process
	alone    bool   // the last call was the only one that its process was at
	opening  []byte // the frame that opened it; nil before
	dead     bool
	closed   bool
}

var errDead = errors.New("instance is closed or was lost by an earlier fault")

// New implements plugin.Generation: it waits for a living process if need be.
func (g *generation) New() (plugin.Instance, *plugin.Fault) {
	if !g.enter() {
		return nil, g.fault(plugin.Start, "start", errors.New("generation is closed"))
	}
	i := &instance{of: g}
	if err := i.attach(); err != nil {
		g.leave()
		return nil, g.fault(plugin.Start, "start", err)
	}
	return i, nil
}

// attach begins a stream in a living process, for which it waits no longer than Limits.Open, nor for the stream: a process that takes none is ended.
func (i *instance) attach() error {
	waiting, cancel := context.WithTimeout(i.of.stop, i.of.limits.Open)
	defer cancel()
	var last *process
	for {
		p, err := i.of.life.wait(waiting, last)
		if err != nil {
			return err
		}
		if err = i.begin(p); err == nil {
			return nil
		}
		p.traffic.condemn()
		p.run.kill() // without a connection it is of no use
		if errors.Is(err, errFull) {
			return err
		}
		last = p
	}
}

// begin begins a stream in that process.
func (i *instance) begin(p *process) error {
	taking, over := context.WithTimeout(i.of.stop, i.of.limits.Open)
	defer over()
	ctx, cancel := context.WithCancel(context.Background())
	impatient := context.AfterFunc(taking, cancel)
	stream, err := p.calls.Calls(ctx)
	if !impatient() {
		err = fmt.Errorf("%w within %v", errFull, i.of.limits.Open)
	}
	if err != nil {
		cancel()
		return err
	}
	i.process, i.stream, i.cancel = p, stream, cancel
	i.watch.begin(p)
	return nil
}

// move takes the instance from a dead process to the next one.
func (i *instance) move() error {
	i.watch.end()
	i.cancel()
	if err := i.attach(); err != nil {
		return err
	}
	if i.opening == nil {
		return nil
	}
	err := i.exchange(i.of.limits.Open, i.opening)
	if err == nil && i.answer.Status < 0 {
		err = fmt.Errorf("the next process refuses OPEN: %w", abi.Code(i.answer.Status))
	}
	return err
}

func (g *generation) fault(kind plugin.Kind, during string, cause error) *plugin.Fault {
	return &plugin.Fault{Plugin: g.name, Generation: g.number, Kind: kind, During: during, Cause: cause}
}

// Inbox implements plugin.Instance.
func (i *instance) Inbox() int { return abi.UsualBox }

// Call implements plugin.Instance.
func (i *instance) Call(limit time.Duration, frame []byte) ([]byte, *plugin.Fault) {
	if i.dead || i.closed {
		return nil, i.fault(plugin.Protocol, frame, errDead)
	}
	if len(frame) > abi.UsualBox {
		return nil, i.fault(plugin.Protocol, frame,
			&plugin.CodeError{Code: abi.ETOOBIG, Text: fmt.Sprintf("frame of %d bytes; the inbox has %d", len(frame), abi.UsualBox)})
	}
	if limit <= 0 {
		limit = i.of.limits.Event
	}
	if err := i.deliver(limit, frame); err != nil {
		i.dead = true
		return nil, i.explain(frame, err)
	}
	if i.opening == nil && isOpen(frame) {
		i.opening = bytes.Clone(frame)
	}
	switch n := len(i.answer.Records); {
	case i.answer.Status < 0:
		return nil, i.fault(plugin.Protocol, frame, &plugin.CodeError{Code: abi.Code(i.answer.Status), Text: clip(string(i.answer.Records[:min(n, maxCause)]), maxCause)})
	case n > abi.UsualBox:
		i.dead = true
		return nil, i.fault(plugin.BadBatch, frame, fmt.Errorf("%d bytes of verdicts; at most %d", n, abi.UsualBox))
	}
	return i.answer.Records, nil
}

// deliver exchanges the frame with a process that lives when it is sent.
func (i *instance) deliver(limit time.Duration, frame []byte) (err error) {
	for range moves {
		if i.process.run.over() {
			if err = i.move(); err != nil {
				return fmt.Errorf("%w: %w", errHomeless, err)
			}
		}
		if err = i.exchange(limit, frame); !errors.Is(err, errLate) {
			return err
		}
		<-i.process.run.done // it was killed, or death does it
	}
	return fmt.Errorf("%w: %w", errHomeless, err)
}

// exchange sends a frame and receives its answer. It sets lost and alone; its error is an overrun if that ended the process, and errLate if nothing
// was sent.
func (i *instance) exchange(limit time.Duration, frame []byte) (err error) {
	i.question.ID++
	i.question.Records = frame
	pass := i.process.traffic.enter(limit)
	if pass.late {
		pass.leave(true)
		i.question.Records = nil
		return errLate
	}
	i.watch.arm(pass)
	_ = i.stream.SendMsg(&i.question) // its error is io.EOF: the stream's own comes from RecvMsg
	if err = i.stream.RecvMsg(&i.answer); err == nil && i.answer.ID != i.question.ID {
		err = fmt.Errorf("%w: the answer is to frame %d, not to %d", errEnvelope, i.answer.ID, i.question.ID)
	}
	if over := i.watch.disarm(); over != nil {
		err = over
	}
	i.lost = err != nil && i.process.lost(err)
	i.alone = pass.leave(i.lost)
	i.question.Records = nil
	return err
}

func isOpen(frame []byte) bool {
	const firstOp = 8 // behind the frame's head (abi/v1/spec.md 3)
	return len(frame) >= firstOp+2 && abi.Op(binary.LittleEndian.Uint16(frame[firstOp:])) == abi.OpOpen
}

var (
	errEnvelope = errors.New("malformed answer")
	errLate     = errors.New("its process ended while the call waited for others")
	errFull     = errors.New("its process does not take another instance")
	errHomeless = errors.New("the call was not made")
)

// explain makes a Fault of a call's error.
func (i *instance) explain(frame []byte, err error) *plugin.Fault {
	if over, ok := errors.AsType[*overrun](err); ok {
		<-i.process.silent
		f := i.fault(plugin.Deadline, frame, over)
		f.Lost, f.Shared, f.Log = !over.alone, !over.alone, i.process.tail.text()
		return f
	}
	if errors.Is(err, errHomeless) {
		f := i.fault(plugin.Exit, frame, err)
		f.Lost, f.Shared = true, true
		return f
	}
	said := clip(status.Convert(err).Message(), maxStack)
	cause, stack, _ := strings.Cut(said, "\n")
	cause = clip(cause, maxCause)
	switch {
	case errors.Is(err, errEnvelope):
		return i.fault(plugin.BadBatch, frame, err)
	case i.lost:
		return i.death(frame, cause)
	case errors.Is(err, io.EOF): // in good order, with a question open
		return i.fault(plugin.Exit, frame, errors.New("the program ended the instance"))
	case strings.HasPrefix(said, ofGRPC): // should the program have said it, it blames itself
		return i.fault(plugin.BadBatch, frame, errors.New(cause))
	}
	f := i.fault(plugin.Trap, frame, errors.New(cause))
	f.Stack = stack
	return f
}

// death is the fault of a call whose connection ended. With it the process is of no use, should it live still.
func (i *instance) death(frame []byte, said string) *plugin.Fault {
	p := i.process
	notice := time.NewTimer(deathNotice)
	defer notice.Stop()
	cause := fmt.Errorf("its connection ended: %s", said)
	select {
	case <-p.run.done:
		cause = errors.New(p.run.how)
	case <-notice.C:
		p.run.kill()
		<-p.run.done
	}
	<-p.silent
	f := i.fault(plugin.Exit, frame, cause)
	if p.tail.ranOut() {
		f.Kind, f.Cause = plugin.Memory, fmt.Errorf("wanted more than %d bytes of memory: %w", i.of.limits.Memory, cause)
	}
	f.Lost, f.Shared, f.Log = true, !i.alone, p.tail.text()
	return f
}

func (i *instance) fault(kind plugin.Kind, frame []byte, cause error) *plugin.Fault {
	f := i.of.fault(kind, plugin.During(frame), cause)
	f.Frame = bytes.Clone(frame)
	return f
}

// Close implements plugin.Instance.
func (i *instance) Close() {
	if i.closed {
		return
	}
	i.closed = true
	i.watch.end()
	i.cancel()
	i.of.leave()
}

// clip gives the first bytes of what a program said.
func clip(text string, most int) string { return strings.ToValidUTF8(text[:min(len(text), most)], "") }
