package sdktest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/weir-media/weir/abi/v1"
)

// run goes through one script: it makes the host do what the lines say and holds what
// comes back against them.
type run struct {
	host    *host
	files   fs.FS
	asked   line // the last line that made something happen
	next    int  // index of the first verdict not expected yet
	output  bool // the answer's payload bytes were looked at
	matched map[int]bool
}

// step runs the first of lines, and those that belong to it.
func (r *run) step(lines []line) (taken int, err error) {
	l := lines[0]
	switch l.kind {
	case ">", "@":
		return r.happen(lines)
	case "!":
		return 1, r.expect(l.text, false)
	case "!!":
		return 1, r.expect(l.text, true)
	case "<":
		return 1, r.payload(l.text)
	case "open":
		if r.host.opened {
			return 1, errors.New("open stands behind an event")
		}
		r.host.config = []byte(l.text)
	case "entropy":
		b, err := hex.DecodeString(l.text)
		if err != nil || len(b) != len(r.host.entropy) {
			return 1, fmt.Errorf("entropy wants %d bytes in hexadecimal", len(r.host.entropy))
		}
		copy(r.host.entropy[:], b)
	case "session":
		n, err := strconv.ParseUint(l.text, 0, 64)
		if err != nil {
			return 1, fmt.Errorf("session wants a number, not %q", l.text)
		}
		r.host.current = n
	default:
		return 1, errors.New(`"|" stands below "> HTTP_REQUEST" only`)
	}
	return 1, nil
}

// happen runs an event line or lets time pass.
func (r *run) happen(lines []line) (taken int, err error) {
	if err = r.settle(); err != nil {
		return 1, err
	}
	l := lines[0]
	r.asked, r.next, r.output, r.matched = l, 0, false, map[int]bool{}
	r.host.verdicts, r.host.output = nil, nil
	if l.kind == "@" {
		d, bad := time.ParseDuration(l.text)
		if bad != nil || d < 0 {
			return 1, fmt.Errorf("%q is no duration", l.text)
		}
		return 1, r.host.pass(d)
	}
	list, err := tokens(l.text, r.files)
	if err != nil {
		return 1, err
	}
	if len(list) == 0 {
		return 1, errors.New("nothing stands behind >")
	}
	if op, ok := opNamed(string(list[0].bytes)); ok && list[0].bare && op.IsEvent() {
		return r.event(op, list[1:], lines)
	}
	return 1, r.input(list)
}

func (r *run) event(op abi.Op, list []token, lines []line) (taken int, err error) {
	e := abi.New(op).(abi.Event)
	taken = 1
	if q, ok := e.(*abi.HTTPRequest); ok {
		var raw []string
		for taken < len(lines) && lines[taken].kind == "|" {
			raw = append(raw, lines[taken].text)
			taken++
		}
		if err := request(q, raw); err != nil {
			return taken, err
		}
	}
	r.host.defaults(e)
	if err := fill(reflect.ValueOf(e).Elem(), list); err != nil {
		return taken, err
	}
	return taken, r.host.event(e)
}

// input appends bytes to a connection, or datagrams to a flow.
func (r *run) input(list []token) error {
	conn, last, flow, lost := uint32(1), false, false, uint64(0)
	var b []byte
	var datagrams [][]byte
	for _, t := range list {
		switch {
		case t.key == "conn":
			n, err := strconv.ParseUint(string(t.bytes), 0, 32)
			if err != nil {
				return fmt.Errorf("conn: %w", err)
			}
			conn = uint32(n)
		case t.key == "lost":
			n, err := strconv.ParseUint(string(t.bytes), 0, 64)
			if err != nil {
				return fmt.Errorf("lost: %w", err)
			}
			lost = n
		case t.key == "" && t.bare && string(t.bytes) == "datagrams":
			flow = true
		case t.key == "" && t.bare && string(t.bytes) == "last":
			last = true
		case t.key == "" && !t.bare && !t.isGroup():
			b = append(b, t.bytes...)
			datagrams = append(datagrams, t.bytes)
		default:
			return fmt.Errorf("%q is neither an event nor quoted bytes", t.key+string(t.bytes))
		}
	}
	if flow {
		return r.host.datagrams(conn, lost, datagrams)
	}
	return r.host.receive(conn, b, last)
}

// expect looks for a verdict: the very next one, or any behind those expected so far.
func (r *run) expect(text string, strict bool) error {
	list, err := tokens(text, r.files)
	if err != nil {
		return err
	}
	rest := r.host.verdicts[min(r.next, len(r.host.verdicts)):]
	if len(list) == 0 {
		if strict && len(rest) > 0 {
			return fmt.Errorf("no further verdict was expected; there are%s", showAll(rest))
		}
		return nil
	}
	op, ok := opNamed(string(list[0].bytes))
	if !ok || !op.IsVerdict() {
		return fmt.Errorf("%q is no verdict", list[0].bytes)
	}
	for i, v := range rest {
		ok := v.Op() == op
		if ok {
			if ok, err = matches(reflect.ValueOf(v).Elem(), list[1:]); err != nil {
				return err
			}
		}
		if ok {
			r.matched[r.next+i] = true
			r.next += i + 1
			return nil
		}
		if strict {
			break
		}
	}
	return fmt.Errorf("expected %s; there are%s", text, showAll(rest))
}

func (r *run) payload(text string) error {
	list, err := tokens(text, r.files)
	if err != nil {
		return err
	}
	r.output = true
	for _, t := range list {
		if t.key != "" || t.isGroup() {
			return fmt.Errorf("%q is not bytes", t.key)
		}
		n := min(len(t.bytes), len(r.host.output))
		if got := r.host.output[:n]; string(got) != string(t.bytes) {
			return fmt.Errorf("expected payload bytes %s; there are %s",
				showBytes(t.bytes, true), showBytes(r.host.output, true))
		}
		r.host.output = r.host.output[n:]
	}
	return nil
}

// settle holds the last answer against what every answer must be.
func (r *run) settle() error {
	if r.output && len(r.host.output) > 0 {
		return fmt.Errorf("line %d: payload bytes that nothing expected: %s", r.asked.number, showBytes(r.host.output, true))
	}
	for i, v := range r.host.verdicts {
		if v.Op() == abi.OpFail && !r.matched[i] {
			return fmt.Errorf("line %d: nothing expected %s", r.asked.number, Show(v))
		}
	}
	return nil
}

func showAll(list []abi.Record) string {
	if len(list) == 0 {
		return " none"
	}
	var b strings.Builder
	for _, v := range list {
		b.WriteString("\n\t" + Show(v))
	}
	return b.String()
}
