package main

import (
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/sdktest"
)

// stream is what ffmpeg sends as asf_stream.
const stream = "../../sdk/asf/testdata/wmv2.asfstream"

type rig struct{ *sdktest.Rig }

func newRig(t testing.TB) *rig { return &rig{sdktest.NewRig(t, newPlugin)} }

// request is one of the kind, with so many bytes to come.
func (r *rig) request(kind, cookie string, length int) *abi.HTTPRequest {
	e := &abi.HTTPRequest{Head: r.Head(), Route: []byte("push"), Method: []byte("POST"), Path: []byte("/live"),
		Body: abi.BodyLength, Length: uint64(length), Remote: []byte("192.0.2.9:50000")}
	if length == 0 {
		e.Body = abi.BodyNone
	}
	e.Fields.Add([]byte("Content-Type"), []byte("application/x-wms-"+kind))
	if cookie != "" {
		e.Fields.Add([]byte("Cookie"), []byte(cookie))
	}
	e.Point.Name, e.Point.State, e.Point.Push = []byte("live"), abi.PointIdle, 1
	return e
}

// body brings the whole body of a request, and its end, in portions of n bytes.
func (r *rig) body(b []byte, n int) {
	r.Input, r.Taken = nil, 0
	for len(b) > n {
		r.Data(b[:n], 0)
		b = b[n:]
	}
	r.Data(b, abi.DataLast)
}

// setUp sets a session up with directives.
func setUp(t testing.TB, directives string) *rig {
	t.Helper()
	r := newRig(t)
	r.Send(r.request("pushsetup", "push-id=0", len(directives)))
	if directives != "" {
		r.body([]byte(directives), 5)
		r.End(abi.EndClosed)
	}
	if r.Status != 204 {
		t.Fatalf("PushSetup is answered with %d %q", r.Status, r.Text)
	}
	return r
}

// find gives the last verdict of a kind.
func find[V abi.Record](r *rig) (v V, ok bool) {
	for _, x := range r.Verdicts {
		if got, is := x.(V); is {
			v, ok = got, true
		}
	}
	return v, ok
}
