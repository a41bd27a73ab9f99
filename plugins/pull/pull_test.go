package main

import (
	"bytes"
	stdmd5 "crypto/md5"
	"os"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/sdktest"
)

const stream = "../../sdk/asf/testdata/wmv2.asfstream"

func sample(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// rig is a session whose connection is taken for number 1, as the Rig numbers it.
func rig(t testing.TB, url string) *sdktest.Rig {
	r := sdktest.NewRig(t, newPlugin)
	r.Send(&abi.Start{Point: []byte("live"), URL: []byte(url)})
	var s state
	if err := s.ReadState(r.State); err != nil {
		t.Fatal(err)
	}
	s.conn = 1
	if s.phase == asking {
		s.phase = sniffing
	}
	r.State = s.AppendState(nil)
	return r
}

func TestMD5(t *testing.T) {
	for n := range 200 {
		b := bytes.Repeat([]byte{byte(n), 3}, n)[:n]
		if got, want := md5(b), stdmd5.Sum(b); got != want {
			t.Fatalf("of %d bytes: %x, want %x", n, got, want)
		}
	}
}

// TestDigest: the example of RFC 2617 3.5, but for the client's nonce.
func TestDigest(t *testing.T) {
	a1 := hashed([]byte("Mufasa"), []byte("testrealm@host.com"), []byte("Circle Of Life"))
	a2 := hashed([]byte("GET"), []byte("/dir/index.html"))
	got := hashed(a1, []byte("dcd98b7102dd2f0e8b11d0f600bfb0c093"), []byte("00000001"), []byte("0a4f113b"), []byte("auth"), a2)
	if string(got) != "6629fae49393a05397450978507c4ef1" {
		t.Errorf("%s", got)
	}
}

// TestChallenges: which are answered, and how.
func TestChallenges(t *testing.T) {
	for _, c := range []struct{ fields, want, not string }{
		{`Digest realm="r", nonce="n"`, `uri="/x?y", response=`, "qop"},
		{`Digest realm="r", nonce="n", algorithm=MD5-sess, qop="auth"`, `algorithm=MD5-sess, qop=auth, nc=00000001, cnonce=`, "Basic"},
		{`Digest realm="r", nonce="n", algorithm=SHA-256, Basic realm="r"`, "Basic dTpw", "Digest"},
		{`Digest realm="r", nonce="n", qop="auth-int"`, "", ""},
		{`Digest realm="r"`, "", ""}, {`Bearer`, "", ""}, {``, "", ""},
		{`basic`, "Basic dTpw", ""},
	} {
		var f abi.Fields
		f.Add([]byte("www-authenticate"), []byte(c.fields))
		target, _ := parseTarget([]byte("http://u:p@h/x?y"))
		got := string(authorize(&f, &target, [16]byte{}))
		if !strings.Contains(got, c.want) || (c.want == "") != (got == "") || c.not != "" && strings.Contains(got, c.not) {
			t.Errorf("%s: %q, want %q", c.fields, got, c.want)
		}
	}
}

// TestStreamed: what is fed does not depend on how the input came.
func TestStreamed(t *testing.T) {
	b := sample(t, stream)
	var want []byte
	for _, n := range []int{len(b), 7, 1000, 50_000} {
		r := rig(t, "http://encoder/x")
		r.Renew = n == 1000
		r.Stream(b, n)
		if want == nil {
			want = r.Fed
		}
		if len(r.Fed) < 10_000 || !bytes.Equal(r.Fed, want) {
			t.Errorf("by %d: fed %d bytes, want %d; %v", n, len(r.Fed), len(want), r.Verdicts)
		}
	}
}

func FuzzTarget(f *testing.F) {
	f.Add("http://me:p%40ss@a/dir/x?q", "../y")
	f.Add("mmsh://[::1]:80", "//b/z")
	f.Add("tcp://a:1", "?x#y")
	f.Fuzz(func(t *testing.T, url, location string) {
		a, ok := parseTarget([]byte(url))
		if !ok {
			return
		}
		if a.isHTTP() && a.path[0] != '/' {
			t.Fatalf("%q: path %q", url, a.path)
		}
		if b, ok := a.follow([]byte(location)); ok {
			if !b.isHTTP() && a.isHTTP() {
				t.Fatalf("%q leads from %q to %s", location, url, b.scheme)
			}
			if b.hasUser && !bytes.EqualFold(a.host, b.host) {
				t.Fatalf("credentials for %s go to %s", a.host, b.host)
			}
		}
	})
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Digest realm="r", nonce="n", algorithm=MD5-sess, qop="auth", opaque=x`)
	f.Add(`Basic realm="x", Digest nonce=y`)
	f.Fuzz(func(t *testing.T, text string) {
		var fields abi.Fields
		fields.Add([]byte("WWW-Authenticate"), []byte(text))
		target, _ := parseTarget([]byte("http://u:p@h/x"))
		got := authorize(&fields, &target, [16]byte{1})
		if bytes.ContainsAny(got, "\r\n\x00") && !strings.ContainsAny(text, "\r\n\x00") {
			t.Fatalf("%q is answered by %q", text, got)
		}
	})
}

func FuzzInput(f *testing.F) {
	b := sample(f, stream)
	f.Add(b[:9000], uint16(500))
	f.Add(append([]byte("\xa4M\x0c\x00\x00\x00\x00\x00\x00\x0c\x0c\x00abcd"), b[:5000]...), uint16(501))
	f.Add([]byte("GGG"), uint16(1))
	f.Fuzz(func(t *testing.T, b []byte, n uint16) {
		r := rig(t, "http://encoder/x")
		r.Renew = n&1 != 0
		r.Stream(b, max(int(n), 1+len(b)/50))
		for _, v := range r.Verdicts {
			if x, ok := v.(*abi.Need); ok && x.Bytes > maxNeed {
				t.Fatalf("needs %d bytes", x.Bytes)
			}
		}
	})
}
