package record

import (
	"bytes"
	"testing"

	"github.com/weir-media/weir/abi/v1"
)

// TestMaskedSources: what a source is dialled with is gone, and as much is decoded of it as before.
func TestMaskedSources(t *testing.T) {
	dial := func(value string) *abi.Dial {
		d := &abi.Dial{Conn: 2, URL: []byte("http://encoder/x")}
		d.Fields.Add([]byte("Accept"), []byte("*/*"))
		d.Fields.Add([]byte("authorization"), []byte(value))
		return d
	}
	for _, c := range []struct{ in, want []byte }{
		{frameOf(t, &abi.Start{Point: []byte("live"), URL: []byte("http://me:p%40ss@encoder:80/x@y")}), frameOf(t, &abi.Start{Point: []byte("live"), URL: []byte("http://**:*%2A**@encoder:80/x@y")})},
		{frameOf(t, &abi.SetState{Blob: []byte("\x01\x00mmsh://me@h\x00@")}), frameOf(t, &abi.SetState{Blob: []byte("\x01\x00mmsh://**@h\x00@")})},
		{frameOf(t, dial("Basic bWU6cA=="), &abi.Timer{ID: 3}), frameOf(t, dial("Basic ********"), &abi.Timer{ID: 3})},
	} {
		kept := bytes.Clone(c.in)
		if got := Masked(c.in); !bytes.Equal(got, c.want) || !bytes.Equal(c.in, kept) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	for _, url := range []string{"udp://192.0.2.7@239.192.7.7:5000", "http://encoder/a@b", "rtp://@:5004", "file:a@b"} {
		in := frameOf(t, &abi.Start{URL: []byte(url)})
		if got := Masked(in); !bytes.Equal(got, in) {
			t.Errorf("%s: %q", url, got)
		}
	}
}
