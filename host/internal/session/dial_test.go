package session

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

const tunerYAML = `
name: tuner
roles: [source]
sources: [udp]
capabilities: [publish, dial, group]
state: {schema: tuner/1}
`

// tuner feeds a point from its URL.
func tuner(seen *recorder) handler {
	return func(m *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.Start:
			*m = append(memo(nil), e.Point...)
			v.Dial(2, e.URL, 0)
		case *abi.Dialed:
			seen.add(fmt.Sprintf("dialed %d %v", e.Conn, e.Code))
			if e.Code != abi.OK {
				v.Close(0, abi.CloseNow, string(e.Text))
			}
		case *abi.Datagrams:
			seen.add(told(e))
			v.Publish(*m, "bytes:toy", 0)
			v.FeedThrough(e.Conn)
		case *abi.End:
			seen.add(fmt.Sprintf("end %d", e.Reason))
		case *abi.Refused:
			seen.add(fmt.Sprintf("refused %v %s", e.Code, e.Text))
			v.Close(0, abi.CloseNow, string(e.Text))
		}
		return nil
	}
}

// TestDialFlow: a group's datagrams feed a point, until it has been silent for too long;
// then the source is started again.
func TestDialFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false, point.Options{Name: "tv", URL: "udp://192.0.2.7@239.192.7.7:5000?interface=eth0", Grace: time.Minute})
		flows := make(chan *fakeFlow, 9)
		r.room.join = func(o netio.GroupOptions) (flow, error) {
			want := netio.GroupOptions{Group: netip.MustParseAddrPort("239.192.7.7:5000"), Interface: "eth0", Source: netip.MustParseAddr("192.0.2.7")}
			if o != want {
				t.Errorf("joins %+v", o)
			}
			f := newFlow(0)
			flows <- f
			return f, nil
		}
		seen := newRecorder()
		r.add(toyYAML, toy)
		r.add(tunerYAML, tuner(seen))
		synctest.Wait()
		first := <-flows
		first.bring("published")
		synctest.Wait()
		for range 30 { // far more than the silence
			time.Sleep(dialSilence / 2)
			first.bring(string(toyPacket(0, "payload")))
		}
		synctest.Wait()
		if to, err := r.points["tv"].Rendition("toy"); err != nil || len(follow(to.Log).list()) != 30 {
			t.Fatalf("%v; seen %q", err, seen.list())
		}
		time.Sleep(dialSilence + time.Millisecond)
		first.waitClosed(t)
		time.Sleep(firstRetry + time.Millisecond)
		synctest.Wait()
		if len(flows) != 1 {
			t.Fatalf("joined %d times again; seen %q", len(flows), seen.list())
		}
		r.room.Close()
		(<-flows).waitClosed(t)
	})
}

// TestDialRefused: what was not granted, is no such URL, or cannot be opened.
func TestDialRefused(t *testing.T) {
	none := everything
	none.Listen, none.Group = nil, nil
	some := everything
	some.Listen = func(at netip.AddrPort) bool { return at == netip.MustParseAddrPort("192.0.2.1:5000") }
	some.Group = func(g netip.AddrPort) bool { return g.Port() == 5000 }
	for _, c := range []struct {
		url   string
		grant Grant
		fails error
		want  string
	}{
		{"udp://@239.192.7.7:5000", none, nil, `refused EPERM group 239.192.7.7:5000 is not granted to this plugin in plugins.yaml (grant: group: ["239.192.7.7:5000"])`},
		{"udp://192.0.2.1:5000", none, nil, `refused EPERM receiving at 192.0.2.1:5000 is not granted to this plugin in plugins.yaml (grant: listen: ["udp:192.0.2.1:5000"])`},
		{"udp://192.0.2.1:5001", some, nil, "refused EPERM"},
		{"udp://192.0.2.1:5000", some, nil, "dialed 2 OK"},
		{"udp://@239.192.7.7:5000", some, nil, "dialed 2 OK"},
		{"udp://@239.192.7.7:5000", some, fmt.Errorf("bind: %w", syscall.EADDRINUSE), "dialed 2 EBUSY"},
		{"udp://@239.192.7.7:5000", some, fmt.Errorf("join: %w", syscall.EPERM), "dialed 2 EPERM"},
		{"udp://@239.192.7.7:5000", some, &netio.GroupError{Err: netio.ErrNoInterface}, "dialed 2 ENOENT"},
		{"udp://@239.192.7.7:5000", some, os.NewSyscallError("socket", syscall.EMFILE), "dialed 2 EINTERNAL"},
		{"udp://@239.192.7.7:5000", some, errors.New("whatever"), "dialed 2 EINTERNAL"},
		{"udp://@239.192.7.7:5000", some, &os.PathError{Op: "open", Err: syscall.ENOENT}, "dialed 2 ENOENT"},
		{"udp://@239.192.7.7:5000", some, fmt.Errorf("no folder of ours: %w", os.ErrPermission), "dialed 2 EPERM"},
		{"udp://encoder.example:5000", some, nil, "refused EINVAL"},
	} {
		r := newRig(t, false)
		r.room.join = func(netio.GroupOptions) (flow, error) {
			if c.fails != nil {
				return nil, c.fails
			}
			return newFlow(0), nil
		}
		seen := newRecorder()
		runner := r.add(tunerYAML, tuner(seen))
		runner.SetGrant(c.grant)
		runner.start(point.New(point.Options{Name: "tv", URL: c.url}, nil))
		seen.wait(t, c.want)
		r.room.Close()
	}
}

// TestDialGivesBack: a batch that is refused leaves nothing open.
func TestDialGivesBack(t *testing.T) {
	r := newRig(t, false)
	f := newFlow(0)
	r.room.join = func(netio.GroupOptions) (flow, error) { return f, nil }
	runner := r.add(tunerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		if e, ok := e.(*abi.Start); ok {
			v.Dial(2, e.URL, 0)
			v.Send(7, v.Pieces())
		}
		return nil
	})
	runner.start(point.New(point.Options{Name: "tv", URL: "udp://@239.192.7.7:5000"}, nil))
	f.waitClosed(t)
}

func TestParseFlowURL(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"udp://@239.192.7.7:5000?interface=eth0", "239.192.7.7:5000 eth0 invalid IP"},
		{"udp://239.192.7.7:5000", "239.192.7.7:5000  invalid IP"},
		{"rtp://@:5004", "0.0.0.0:5004  invalid IP"},
		{"udp://@[ff15::7]:5000?interface=lo", "[ff15::7]:5000 lo invalid IP"},
		{"udp://192.0.2.7@232.1.1.1:5000", "232.1.1.1:5000  192.0.2.7"},
		{"udp://2001:db8::7@[ff35::7]:5000", "[ff35::7]:5000  2001:db8::7"},
		{"udp://@[::]:5000", "[::]:5000  invalid IP"}, {"udp://@[ff02::7%25eth0]:5000", ""},
		{"udp://", ""}, {"udp:5000", ""}, {"udp://@239.192.7.7", ""}, {"udp://@239.192.7.7:0", ""}, {"udp://@239.192.7.7:70000", ""},
		{"udp://@group:5000", ""}, {"udp://@239.192.7.7:5000/x", ""}, {"udp://@239.192.7.7:5000?ttl=3", ""}, {"udp://@239.192.7.7:5000?interface=", ""},
		{"udp://192.0.2.7@192.0.2.1:5000", ""}, {"udp://nobody@239.192.7.7:5000", ""}, {"udp://192.0.2.7@[ff15::7]:5000", ""}, {"udp://%zz", ""},
	} {
		o, err := parseFlowURL(c.url)
		var no *denied
		switch got := fmt.Sprintf("%v %s %v", o.Group, o.Interface, o.Source); {
		case c.want == "" && (!errors.As(err, &no) || no.code != abi.EINVAL):
			t.Errorf("%s: %s, %v", c.url, got, err)
		case c.want != "" && (err != nil || got != c.want):
			t.Errorf("%s: %s, %v; want %s", c.url, got, err, c.want)
		}
	}
}

func FuzzParseFlowURL(f *testing.F) {
	f.Add("udp://@239.192.7.7:5000?interface=eth0")
	f.Add("udp://192.0.2.7@[ff15::7]:5000")
	f.Fuzz(func(t *testing.T, s string) {
		if o, err := parseFlowURL(s); err == nil && (!o.Group.IsValid() || o.Group.Port() == 0) {
			t.Errorf("%q: %+v", s, o)
		}
	})
}
