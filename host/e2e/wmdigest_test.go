package e2e

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/access"
	"github.com/weir-media/weir/sdk/asf"
)

// digest is what a server asks an encoder for (RFC 7616 3.3).
type digest struct {
	realm, nonce, algorithm string
	stale                   bool
}

var digestFields = regexp.MustCompile(`(\w+)=(?:"([^"]*)"|([^\s,]+))`)

// challenged waits for a 401 that asks for Digest, in Windows Media's words.
func (e *wmEncoder) challenged() (d digest) {
	e.t.Helper()
	r := e.wants(http.StatusUnauthorized, "")
	text, ok := strings.CutPrefix(r.Header.Get("WWW-Authenticate"), "Digest ")
	if !ok || !strings.HasPrefix(r.Header.Get("Server"), "Cougar/9.") || r.ContentLength < 0 {
		e.t.Fatalf("challenged with %v", r.Header)
	}
	fields := map[string]string{}
	for _, f := range digestFields.FindAllStringSubmatch(text, -1) {
		fields[f[1]] = f[2] + f[3]
	}
	if fields["qop"] != "auth" || fields["nonce"] == "" {
		e.t.Fatalf("challenged with %q", text)
	}
	return digest{fields["realm"], fields["nonce"], fields["algorithm"], fields["stale"] == "true"}
}

// hash is H of RFC 7616 3.3.
func (d digest) hash(parts ...string) string {
	text := []byte(strings.Join(parts, ":"))
	if d.algorithm == "SHA-256" {
		sum := sha256.Sum256(text)
		return hex.EncodeToString(sum[:])
	}
	sum := md5.Sum(text)
	return hex.EncodeToString(sum[:])
}

// answer is an Authorization for a POST (RFC 7616 3.4.1), the count-th by this nonce.
func (d digest) answer(point, secret string, count int) string {
	const client = "0a4f113b"
	uri, nc := "/"+point, fmt.Sprintf("%08x", count)
	response := d.hash(d.hash(loginName, d.realm, secret), d.nonce, nc, client, "auth", d.hash(http.MethodPost, uri))
	return fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", algorithm=%s, qop=auth, nc=%s, cnonce="%s", response="%s"`,
		loginName, d.realm, d.nonce, uri, d.algorithm, nc, client, response)
}

// serveDigest is a weir at which encoders log in by Digest: to live by MD5, to studio by
// SHA-256.
func serveDigest(t *testing.T) server {
	t.Helper()
	line, err := access.NewLine(loginName, loginSecret, access.DefaultRealm)
	if err != nil {
		t.Fatal(err)
	}
	const rules = `
access:
  users_file: users.txt
  rules:
    - {points: [live], users: [camera1], methods: [digest]}
    - {points: [studio], users: [camera1], methods: [digest-sha256]}
`
	const push = `  wmpush: {module: "builtin:wmpush", listeners: [web], grant: {publish: ["*"]}}
  push:`
	return server{hosttest.Start(t, rules+strings.Replace(plugins, "  push:", push, 1)+"  live: {source: push}\n  studio: {source: push}\n",
		hosttest.WithFile("users.txt", []byte(line+"\n")))}
}

// TestPushLoginDigest: an encoder logs in by Digest, on a connection of its own for each
// attempt (MS-WMHTTP 3.1.5.1). What is wrong with its words it is told: a nonce that is
// nobody's, that of another server, or one that was used, is stale, a password is not.
func TestPushLoginDigest(t *testing.T) {
	t.Parallel()
	s, other := serveDigest(t), serveDigest(t)
	foreign := other.newEncoder(t, "live")
	foreign.sendSetUp("")
	elsewhere := foreign.challenged()
	for _, point := range []string{"live", "studio"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			e := s.newEncoder(t, point)
			e.sendSetUp("AutoDestroy: 0\r\n")
			asked := e.challenged()
			if want := map[string]string{"live": "MD5", "studio": "SHA-256"}[point]; asked.stale || asked.algorithm != want || asked.realm != access.DefaultRealm {
				t.Fatalf("challenged with %+v", asked)
			}
			attempt := func(d digest, secret string, count int) digest {
				t.Helper()
				d.algorithm = asked.algorithm
				e.connect()
				e.login = d.answer(point, secret, count)
				e.sendSetUp("")
				return e.challenged()
			}
			if d := attempt(asked, "wrong", 1); d.stale || d.nonce == asked.nonce {
				t.Errorf("a wrong password is answered with %+v", d)
			}
			if d := attempt(digest{realm: asked.realm, nonce: "bm9ib2R5J3M"}, loginSecret, 1); !d.stale {
				t.Errorf("a nonce that nobody has made is answered with %+v", d)
			}
			if d := attempt(elsewhere, loginSecret, 1); !d.stale {
				t.Errorf("the nonce of another server is answered with %+v", d)
			}
			s.logsIn(t, e, attempt(elsewhere, loginSecret, 1))
			if d := attempt(elsewhere, loginSecret, 2); !d.stale {
				t.Errorf("%+v", d)
			}
		})
	}
}

// logsIn: what was said for the PushSetup is not taken again for the PushStart, which ends;
// with the next count the push session goes on.
func (s server) logsIn(t *testing.T, e *wmEncoder, d digest) {
	t.Helper()
	if p := s.Point(e.point); p.Sources != 0 {
		t.Errorf("%d sources of an encoder that has not logged in", p.Sources)
	}
	e.connect()
	e.login = d.answer(e.point, loginSecret, 1)
	e.setUp("")
	e.head("pushstart", unknownLength)
	e.write(wmChunk(asf.ChunkHeader, e.reel.header))
	if again := e.challenged(); !again.stale {
		t.Errorf("credentials that were used are answered with %+v", again)
	}
	e.connect()
	e.login = d.answer(e.point, loginSecret, 2)
	e.start()
	s.WaitPoint(e.point, "live")
	s.WaitMedia(e.point, time.Second)
	e.halt()
	e.write(wmChunk(asf.ChunkEnd, noReason))
	e.wants(http.StatusNoContent, "")
}
