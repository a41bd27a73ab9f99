package sdktest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// lines counts the lines of a connection.
type lines struct{ n uint32 }

func (l *lines) AppendState(b []byte) []byte {
	if l.n == 0 {
		return b
	}
	return binary.LittleEndian.AppendUint32(b, l.n)
}

func (l *lines) ReadState(blob []byte) error {
	l.n = binary.LittleEndian.Uint32(blob)
	return nil
}

// newEcho makes a plugin that answers lines, with commands that misbehave.
func newEcho() *sdk.Plugin {
	greeting := ""
	open := func(o *abi.Open) error {
		greeting = sdk.Config(o.Config).Text("greeting", "")
		if greeting == "bad" {
			return errors.New("bad greeting")
		}
		return nil
	}
	return sdk.New[lines](open, func(s *lines, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.ConnOpen:
			p := v.Pieces()
			p.Text(greeting + " ")
			p.Literal(e.Entropy[:2])
			v.Write(1, p)
			v.NeedUntil(1, []byte("\n"), 64)
		case *abi.Data:
			return echo(s, e, v)
		case *abi.Timer:
			p := v.Pieces()
			p.Text("timer " + strconv.Itoa(int(e.ID)) + " at " + strconv.FormatInt((e.MonoNano-startMono)/int64(time.Millisecond), 10) + ";")
			v.Write(1, p)
		case *abi.End:
			v.Close(0, abi.CloseNow, "at "+strconv.FormatUint(e.Offset, 10))
		}
		return nil
	})
}

func echo(s *lines, e *abi.Data, v *sdk.Verdicts) error {
	i := bytes.IndexByte(e.Bytes, '\n')
	if i < 0 {
		return nil
	}
	v.Consume(1, e.Offset+uint64(i)+1)
	switch text := string(e.Bytes[:i]); text {
	case "timer":
		v.SetTimer(1, int64(2*time.Second))
		v.SetTimer(2, int64(1500*time.Millisecond))
	case "child":
		v.Publish([]byte("live"), "bytes:asf", abi.PublishPace)
		v.FeedThrough(1)
	case "fail":
		return sdk.Fail(abi.EPROTO, "not my protocol")
	case "span":
		p := v.Pieces()
		p.Input(e.Offset, len(e.Bytes)+1)
		v.Write(1, p)
	case "back":
		p := v.Pieces()
		p.Input(0, 1)
		v.Write(1, p)
	case "ahead":
		v.Consume(1, e.Offset+99)
	case "header":
		f := v.Fields()
		f.Add("A", "b\r\nc")
		v.Respond(200, 0, f, nil)
	case "ticks":
		v.SetTimer(1, 1)
	default:
		s.n++
		p := v.Pieces()
		p.Text(strconv.Itoa(int(s.n)) + ":")
		p.Input(e.Offset, i)
		p.Text(";")
		v.Write(1, p)
	}
	v.NeedUntil(1, []byte("\n"), 64)
	return nil
}

func TestEcho(t *testing.T) { Run(t, newEcho(), "testdata/*.script") }

func TestEchoAmnesia(t *testing.T) { Amnesia(t, newEcho, "testdata/*.script") }

func TestFailures(t *testing.T) {
	for _, c := range []struct{ name, script, want string }{
		{"unknown line", "\n? x", "line 2: begins with none of"},
		{"continuation of nothing", "  x", "line 1: nothing stands above"},
		{"unknown event", "> NOTHING_LIKE_THIS", "neither an event nor quoted bytes"},
		{"unknown field", "> TIMER ident=1", `abi.Timer has no field "ident"`},
		{"field of a field", "> TIMER head=1", "has fields of its own"},
		{"too large a number", "> HTTP_REQUEST proto=65536", "does not fit"},
		{"no number", "> TIMER id=one", `"one" is no uint32`},
		{"quotes", `> "abc`, "bad quotes"},
		{"brace", "> PACKETS packets={sequence=1", "a brace is not closed"},
		{"stray brace", "> TIMER id=1 }", "stands alone"},
		{"file without a folder", "> @x", "no folder"},
		{"raw without request", "| GET / HTTP/1.0", `"|" stands below`},
		{"request line", "> HTTP_REQUEST\n| GET /", "no request line"},
		{"late open", "> TIMER id=1\nopen {}", "line 2: open stands behind an event"},
		{"failing open", `open {"greeting":"bad"}` + "\n> TIMER id=1", "bad greeting"},
		{"expected verdict", "> CONN_OPEN\n! ATTACH", "line 2: expected ATTACH; there are\n\tWRITE conn=1"},
		{"expected in order", "> CONN_OPEN\n! NEED\n! WRITE", "line 3: expected WRITE; there are none"},
		{"strictly next", "> CONN_OPEN\n!! NEED", "line 2: expected NEED"},
		{"no further", "> CONN_OPEN\n! WRITE\n!!", "line 3: no further verdict was expected; there are\n\tNEED"},
		{"other value", "> CONN_OPEN\n! NEED bytes=65", "expected NEED bytes=65"},
		{"contains", "> CONN_OPEN\n! NEED bytes~=6", "~= is for bytes"},
		{"payload", "> \"a\\n\"\n< \"1:b\"", `expected payload bytes "1:b"; there are "1:a;"`},
		{"payload left", "> \"a\\n\"\n< \"1:\"", `line 1: payload bytes that nothing expected: "a;"`},
		{"unexpected FAIL", "> \"fail\\n\"", `line 1: nothing expected FAIL code=EPROTO text="not my protocol"`},
		{"closed", "> \"fail\\n\"\n! FAIL\n> TIMER id=1", "session 1 is closed"},
		{"span ahead", "> \"span\\n\"", "span 0 to 6 lies outside the input held, 0 to 5"},
		{"span let go", "> \"a\\n\"\n> \"back\\n\"", "span 0 to 1 lies outside the input held, 2 to 7"},
		{"consume ahead", "> \"ahead\\n\"", "offset 99 lies outside"},
		{"line end in a field", "> \"header\\n\"", "holds a line end"},
		{"packets", "> PACKETS packets={sequence=1}", "1 packets are answered with 0"},
		{"package", "> PACKAGE", "PACKAGE is answered with 0 HEADER"},
		{"input after last", "> \"a\" last\n> \"b\"", "has had its last input"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Check([]byte(c.script), Native(newEcho()))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestAmnesiaFindsMemory(t *testing.T) {
	remember := func() *sdk.Plugin {
		calls := 0 // what no plugin may have
		return sdk.New[sdk.Stateless](nil, func(_ *sdk.Stateless, _ abi.Record, v *sdk.Verdicts) error {
			calls++
			v.Metric("calls", uint64(calls))
			return nil
		})
	}
	c := &amnesiac{fresh: remember, aged: Native(remember())}
	err := Check([]byte("> TIMER id=1\n> TIMER id=1"), c)
	if err == nil || !strings.Contains(err.Error(), "a fresh instance answers otherwise") {
		t.Errorf("got %v", err)
	}
}

func TestRequestLines(t *testing.T) {
	var q abi.HTTPRequest
	raw := []string{"POST /a%20b?c=d HTTP/1.1", "Host: h:1", "Transfer-Encoding: chunked", "Expect: 100-continue", "X:  y "}
	if err := request(&q, raw); err != nil {
		t.Fatal(err)
	}
	const want = `HTTP_REQUEST method=POST path="/a b" query=c=d host=h:1 proto=11 body=chunked expect=1` +
		` fields="Host: h:1" fields="Transfer-Encoding: chunked" fields="Expect: 100-continue" fields="X: y"`
	if got := Show(&q); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	q = abi.HTTPRequest{}
	if err := request(&q, []string{"SOURCE /m HTTP/1.0"}); err != nil || q.Body != abi.BodyToClose {
		t.Errorf("SOURCE without a length: body %d, %v", q.Body, err)
	}
}

func TestEnumNames(t *testing.T) {
	for typ, l := range names {
		for _, name := range l.names {
			if _, ok := numberOf(typ, name); !ok {
				t.Errorf("%s: %q has no number", typ, name)
			}
		}
	}
}

func FuzzCheck(f *testing.F) {
	script, err := os.ReadFile("testdata/echo.script")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(script)
	f.Add([]byte("> PACKETS packets={sequence=1 bytes=hex:00 flags=key|discontinuity}\n! PACKET pieces={kind=packet}"))
	f.Add([]byte("> HTTP_REQUEST point.name=x\n| GET /%zz HTTP/1.0\n| A: b\n@ 1s\n< \"\""))
	f.Fuzz(func(_ *testing.T, script []byte) {
		_ = Check(script, Native(newEcho())) // must return
	})
}
