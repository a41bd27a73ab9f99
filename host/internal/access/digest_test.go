package access

import (
	"strings"
	"testing"
)

// TestDigestVectors: the examples of RFC 7616 3.9.1, and that of RFC 2069 2.4 as its erratum 749 corrects it.
func TestDigestVectors(t *testing.T) {
	const secret = "Mufasa:http-auth@example.org:Circle of Life"
	for name, c := range map[string]struct {
		by           Methods
		secret, said string
		want         string
	}{
		"SHA-256": {DigestSHA256, secret, `username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=SHA-256,
			nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth,
			response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`, ""},
		"MD5": {Digest, secret, `username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=MD5,
			nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth,
			response="8ca523f5e9506fed4657c9700eebdbec", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`, ""},
		"RFC 2069": {Digest, "Mufasa:testrealm@host.com:CircleOfLife", `username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
			uri="/dir/index.html", response="1949323746fe6a43ef61f9606e7febea"`, ""},
	} {
		d, ok := parseDigest(strings.ReplaceAll(c.said, "\n\t\t\t", " "))
		if !ok {
			t.Errorf("%s: not read", name)
			continue
		}
		if got := d.answer(c.by, hashText(c.by, c.secret), "GET"); got != d.response {
			t.Errorf("%s: answer %s, want %s", name, got, d.response)
		}
	}
}

func TestParseDigest(t *testing.T) {
	const good = `username="a\"b", nonce=n, uri="/x?a=b,c", response=00`
	d, ok := parseDigest(good)
	if !ok || d.username != `a"b` || d.uri != "/x?a=b,c" || d.nonce != "n" || d.response != "00" {
		t.Errorf("read %+v, %v", d, ok)
	}
	for _, bad := range []string{
		"", "username", `username="a`, `username="a`, good + `, nonce=m`, good + `, username=b`, strings.Replace(good, "nonce=n", "nonce=", 1),
		strings.Replace(good, "response=00", "x=y", 1), good + ", x=" + strings.Repeat("x", maxCredentials),
	} {
		if d, ok := parseDigest(bad); ok {
			t.Errorf("%.60q is read as %+v", bad, d)
		}
	}
}

func TestSameURI(t *testing.T) {
	for _, c := range []struct {
		said, asked string
		old, want   bool
	}{
		{"/live", "/live", false, true}, {"http://h:80/live?a=1", "/live?a=1", false, true}, {"/live", "/live?a=1", false, false}, {"/other", "/live", false, false},
		{"rtsp://h/live", "rtsp://h/live/trackID=0", true, true}, {"rtsp://h/live/", "rtsp://h/live", true, true}, {"rtsp://h/live", "rtsp://h/lively", true, false},
		{"/live", "/live/x", false, false}, {"*", "*", true, true},
	} {
		if got := sameURI(c.said, c.asked, c.old); got != c.want {
			t.Errorf("%q for %q (old %v): %v", c.said, c.asked, c.old, got)
		}
	}
}

func FuzzParseDigest(f *testing.F) {
	f.Add(`username="Mufasa", realm="r", uri="/", nonce="n", nc=00000001, cnonce="c", qop=auth, response="r"`)
	f.Add(`username=a,nonce="\"",uri=/,response=`)
	f.Add(`=,=,"`)
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := parseDigest(s)
		if ok && (d.username == "" || d.nonce == "" || d.uri == "" || d.response == "" || len(s) > maxCredentials) {
			t.Errorf("%q is read as %+v", s, d)
		}
	})
}
