package wasm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tetratelabs/wazero/sys"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// maxCodeText is how much of the text that follows an error code is read, in bytes; chosen.
const maxCodeText = 512

// stackMark is where wazero's error text passes from the cause to the guest's stack.
const stackMark = "\nwasm stack trace:\n"

// explain makes a Fault of the error of a call.
func (i *instance) explain(err error, during string) *plugin.Fault {
	g := i.guest
	f := i.of.fault(plugin.Trap, during, nil)
	f.Log = g.log.tail()
	cause, stack, _ := strings.Cut(err.Error(), stackMark)
	f.Stack = strings.ReplaceAll(stack, "\t", "")
	var exit *sys.ExitError
	switch isExit := errors.As(err, &exit); {
	case errors.Is(err, context.DeadlineExceeded) && g.watch.over:
		f.Kind, f.Cause = plugin.Deadline, fmt.Errorf("ran longer than %v", g.watch.limit)
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

// text is what the guest said about its error code: UTF-8 up to the first zero byte of the outbox.
func (i *instance) text() string {
	b, _ := i.memory.Read(i.out.ptr, min(i.out.size, maxCodeText))
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	if !utf8.Valid(b) {
		return ""
	}
	return string(b)
}

// during names the frame by its first event that is not a held state.
func during(frame []byte) string {
	var records abi.Reader
	if records.Reset(frame) != nil {
		return "malformed frame"
	}
	for {
		raw, ok, err := records.Next()
		if !ok || err != nil {
			return "empty frame"
		}
		if raw.Op == abi.OpState {
			continue
		}
		name := raw.Op.String()
		if n := records.Len(); n > 0 {
			name = fmt.Sprintf("%s and %d more records", name, n)
		}
		return name
	}
}
