package wasm

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tetratelabs/wazero/sys"

	"github.com/weir-media/weir/host/internal/plugin"
)

// maxCodeText is how much of the text that follows an error code is read, in bytes; chosen.
const maxCodeText = 512

// maxStackText is how much of a guest's stack a Fault keeps, in bytes; chosen: wazero gives 30 frames, of which each has a name of the guest's.
const maxStackText = 16 << 10

// stackMark is where wazero's error text passes from the cause to the guest's stack.
const stackMark = "\nwasm stack trace:\n"

// explain makes a Fault of the error of a call.
func (i *instance) explain(err error, during string) *plugin.Fault {
	g := i.guest
	f := i.of.fault(plugin.Trap, during, nil)
	f.Log = g.log.tail()
	cause, stack, _ := strings.Cut(err.Error(), stackMark)
	cause, f.Stack = printable(cause, maxCodeText, false), printable(ownFrames(stack), maxStackText, true)
	var exit *sys.ExitError
	switch isExit := errors.As(err, &exit); {
	case errors.Is(err, errOvertime):
		f.Kind, f.Cause = plugin.Deadline, fmt.Errorf("ran longer than %v", g.tank.limit)
	case errors.Is(err, errStack):
		f.Cause = errStack
	case g.exited:
		f.Kind, f.Cause = plugin.Exit, fmt.Errorf("exited with code %d", g.exitNum)
	case isExit: // the host itself closed the module
		f.Kind, f.Cause = plugin.Exit, exit
	default:
		f.Cause = errors.New(strings.TrimPrefix(cause, "wasm error: "))
	}
	if (f.Kind == plugin.Trap || f.Kind == plugin.Exit && g.exitNum != 0) && g.memory.full() {
		f.Kind = plugin.Memory
		f.Cause = fmt.Errorf("wanted more than %d bytes of memory: %w", g.memory.limit, f.Cause)
	}
	return f
}

// ownFrames leaves out the frames of a stack that the meter has put there.
func ownFrames(stack string) string {
	var b strings.Builder
	for line := range strings.Lines(stack) {
		if !strings.HasPrefix(strings.TrimSpace(line), meterModule+".") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// printable gives at most so many bytes of a text that the guest had its hands on, as UTF-8 and without what moves the operator's cursor. Tabs
// vanish; line ends do too unless they may stay.
func printable(text string, most int, lines bool) string {
	text = strings.ToValidUTF8(text[:min(len(text), most)], "")
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\t':
			return -1
		case c == '\n' && lines:
			return c
		case !unicode.IsPrint(c):
			return ' '
		}
		return c
	}, text)
}

// text is what the guest said about its error code: UTF-8 up to the first zero byte of the outbox, without control characters.
func (i *instance) text() string {
	b, _ := i.memory.Read(i.out.ptr, min(i.out.size, maxCodeText))
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	if !utf8.Valid(b) {
		return ""
	}
	return printable(string(b), maxCodeText, false)
}
