package plugin

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weir-media/weir/abi/v1"
)

// Kind says what a plugin did wrong. The zero Kind is no fault.
type Kind uint8

// The kinds of fault (containment.md, "Faults").
const (
	Trap           Kind = iota + 1 // the guest's code trapped, or its stack overflowed
	Exit                           // the guest ended itself
	Deadline                       // the guest ran longer than it may
	Memory                         // the guest ended after the host refused it more memory
	BadBatch                       // the answer is not a frame of verdicts
	BadSpan                        // a verdict names bytes that the host does not hold
	ForeignSession                 // a verdict names a session that was not in the frame
	Permission                     // a verdict without the capability for it
	Protocol                       // the guest returned an error code, or broke another rule of the ABI
	Start                          // the plugin could not be started
)

var kindNames = [...]string{"none", "trap", "exit", "deadline", "memory", "bad_batch", "bad_span", "foreign_session", "permission", "protocol", "start"}

// String is the kind's name in logs, metrics and the status API.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Kinds lists all kinds of fault, for counters that should exist from the start. The slice is the caller's.
func Kinds() []Kind {
	all := make([]Kind, 0, len(kindNames)-1)
	for k := Trap; k <= Start; k++ {
		all = append(all, k)
	}
	return all
}

// Fault is a plugin's sin. It is an error: %v prints one line, %+v the guest's stack and the end of its log as well. A Fault is not changed once
// it is returned.
type Fault struct {
	Plugin     string
	Generation uint64
	Kind       Kind
	During     string // what the plugin was asked to do, e.g. "DATA" or "_initialize"
	Cause      error
	Stack      string // guest's stack, innermost first, one frame a line; may be empty
	Log        string // the end of what the guest logged during the call; it is printed nowhere else
	Frame      []byte // of event records, that the plugin was at; nil if there was none. It is not printed
	Lost       bool   // the carrier died with the call, which need not be the fault of its events: they are tried again
	Shared     bool   // Lost, and this call was not all that the carrier was at: it counts against nobody
}

// Error is the fault in one line.
func (f *Fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plugin %q", f.Plugin)
	if f.Generation != 0 {
		fmt.Fprintf(&b, " generation %d", f.Generation)
	}
	b.WriteString(": " + f.Kind.String())
	if f.During != "" {
		b.WriteString(" during " + f.During)
	}
	if f.Cause != nil {
		b.WriteString(": " + oneLine(f.Cause.Error()))
	}
	return b.String()
}

// lastMarks begin what a guest says before it traps: Go, Rust, Go's runtime.
var lastMarks = []string{"panic: ", "panicked at ", "fatal error: "}

// maxLastWords bounds LastWords in bytes (chosen: a line of a log).
const maxLastWords = 300

// LastWords is the line of the guest's log in which it says why it panicked, which tells more than the trap that followed; empty if it does not.
func (f *Fault) LastWords() string {
	for line := range strings.Lines(f.Log) {
		for _, mark := range lastMarks {
			if at := strings.Index(line, mark); at >= 0 {
				line = strings.TrimSpace(line[at:])
				return strings.ToValidUTF8(line[:min(len(line), maxLastWords)], "")
			}
		}
	}
	return ""
}

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Cause }

// Fatal reports whether the instance that returned the Fault is lost. It is not only after an error code, which the guest returned in good order.
func (f *Fault) Fatal() bool {
	_, isCode := errors.AsType[*CodeError](f.Cause)
	return !isCode
}

// Format prints the whole fault for %+v and one line for every other verb.
func (f *Fault) Format(s fmt.State, verb rune) {
	if verb == 'q' {
		fmt.Fprintf(s, "%q", f.Error())
		return
	}
	_, _ = s.Write([]byte(f.Error()))
	if verb != 'v' || !s.Flag('+') {
		return
	}
	writeBlock(s, "guest stack", f.Stack)
	writeBlock(s, "guest log", f.Log)
}

// CodeError is the Cause of a Fault whose guest returned an error code: Fault.Kind is Protocol then.
type CodeError struct {
	Code abi.Code
	Text string // what the guest said about it, may be empty
}

func (e *CodeError) Error() string {
	if e.Text == "" {
		return e.Code.String()
	}
	return e.Code.String() + ": " + e.Text
}

// Unwrap gives the code, so that errors.Is(fault, abi.EPROTO) holds.
func (e *CodeError) Unwrap() error { return e.Code }

func writeBlock(s fmt.State, title, text string) {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return
	}
	fmt.Fprintf(s, "\n%s:", title)
	for line := range strings.SplitSeq(text, "\n") {
		fmt.Fprintf(s, "\n\t%s", line)
	}
}

func oneLine(text string) string {
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		return text[:i]
	}
	return text
}
