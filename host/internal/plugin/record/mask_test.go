package record

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
)

func frameOf(t testing.TB, all ...abi.Record) []byte {
	t.Helper()
	var w abi.Writer
	w.Reset(make([]byte, 1<<16))
	for _, r := range all {
		if err := w.Put(7, 0, r); err != nil {
			t.Fatal(err)
		}
	}
	return w.Bytes()
}

// TestMasked: credentials are gone, all else is where it was.
func TestMasked(t *testing.T) {
	request := "DESCRIBE rtsp://h/live RTSP/1.0\r\nauthorization:  Basic YW5uYTpnZWhlaW0=\r\nCSeq: 2\r\nProxy-Authorization: Digest username=\"anna\", response=\"00ff\"\r\n\r\n"
	want := "DESCRIBE rtsp://h/live RTSP/1.0\r\nauthorization:  Basic ****************\r\nCSeq: 2\r\nProxy-Authorization: Digest ********************************\r\n\r\n"
	frame := frameOf(t, &abi.Data{Bytes: []byte(request)}, &abi.Login{Point: []byte("live"), Authorization: []byte("Basic YW5uYTpnZWhlaW0=")})
	kept := bytes.Clone(frame)
	got := Masked(frame)
	if !bytes.Equal(frame, kept) {
		t.Error("the frame itself was changed")
	}
	expected := frameOf(t, &abi.Data{Bytes: []byte(want)}, &abi.Login{Point: []byte("live"), Authorization: []byte("Basic ****************")})
	if !bytes.Equal(got, expected) {
		t.Errorf("got %q\nwant %q", got, expected)
	}
	for _, cut := range []string{"Authorization: Basic YW5", "Authorization:", "Authorization: Basic", "x: y"} {
		frame := frameOf(t, &abi.Data{Bytes: []byte(cut)}, &abi.Timer{ID: 9})
		var r abi.Reader
		if err := r.Reset(Masked(frame)); err != nil || r.Len() != 2 {
			t.Errorf("%q: %v, %d records", cut, err, r.Len())
		}
		if bytes.Contains(Masked(frame), []byte("YW5")) {
			t.Errorf("%q is not masked where the frame ends within it", cut)
		}
	}
	plain := frameOf(t, &abi.Data{Bytes: []byte(strings.Repeat("no secrets: here ", 100))})
	if got := Masked(plain); &got[0] != &plain[0] {
		t.Error("a frame without credentials was copied")
	}
}

func FuzzMasked(f *testing.F) {
	f.Add(frameOf(f, &abi.Data{Bytes: []byte("Authorization: Basic YW5uYTpnZWhlaW0=\r\n")}))
	f.Add(frameOf(f, &abi.Login{Authorization: []byte("Digest a=b")}))
	f.Add([]byte("authorization:authorization: x y"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, frame []byte) {
		got := Masked(frame)
		if len(got) != len(frame) {
			t.Fatalf("%d bytes of %d", len(got), len(frame))
		}
		if again := Masked(got); !bytes.Equal(again, got) {
			t.Fatalf("masked again it is %q, not %q", again, got)
		}
	})
}

// TestCredentialsAreNotRecorded: they stand in no recording, and it is replayed exactly all the same.
func TestCredentialsAreNotRecorded(t *testing.T) {
	var tap Tap
	i := start(t, Wrap(&native{fresh: parrot(false)}, &tap))
	defer i.Close()
	file := recording(t, &tap, Options{}, func() {
		out := tell(t, i, frame(t, data("SETUP * RTSP/1.0\r\nAuthorization: Basic YW5uYTpnZWhlaW0=\r\n\r\n"), data("two")))
		if !bytes.Contains(out, []byte("YW5uYTpnZWhlaW0=")) {
			t.Error("what the plugin answers was changed")
		}
	})
	if bytes.Contains(file, []byte("YW5uYTpnZWhlaW0=")) || !bytes.Contains(file, []byte("Authorization: Basic *****")) {
		t.Errorf("recorded %q", file)
	}
	if found := replay(t, file, &native{fresh: parrot(false)}); found.Different+found.Mended+found.Unjudged != 0 || found.Calls != 2 {
		t.Errorf("replayed: %+v", found)
	}
}
