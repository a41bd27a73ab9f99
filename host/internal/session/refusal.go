package session

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/netio"
)

const (
	// refusedHead and refusedTime bound the first request of an RTSP connection that is
	// refused: its CSeq belongs into the answer, but is not worth more (chosen: a request
	// with credentials, and a slow link's round trip).
	refusedHead = 4 << 10
	refusedTime = time.Second
)

// The reasons for which plugins take nobody new, as metric labels, besides the phases.
const (
	reasonThrottled = "throttled"
	tooManySessions = "too_many_sessions"
	tooManyBodies   = "too_many_bodies"
)

// excuse is why a plugin takes nobody new.
type excuse struct {
	reason string
	text   string        // for whoever is told no words of the plugin's own
	wait   time.Duration // until it may; 0: nobody knows
	stays  bool          // it does not pass by itself: nobody need come again
}

// seconds is when a client is to come again: not before the plugin may take it, nor
// before the plugin wants it. It is empty where nobody knows.
func (e excuse) seconds(m manifest.Refusal) string {
	s := int64((max(m.RetryAfter, e.wait) + time.Second - 1) / time.Second)
	if s <= 0 || e.stays {
		return ""
	}
	return strconv.FormatInt(s, 10)
}

// words are the plugin's own, or the excuse.
func (e excuse) words(m manifest.Refusal) (mediaType, body string) {
	if m.Body == "" {
		text := e.text
		if s := e.seconds(m); s != "" {
			text += "; try again in " + s + " s"
		}
		return "text/plain; charset=utf-8", text + "\n"
	}
	return cmp.Or(m.Type, "text/plain; charset=utf-8"), m.Body
}

// answer refuses an HTTP request.
func (e excuse) answer(m manifest.Refusal) answer {
	mediaType, body := e.words(m)
	h := http.Header{"Content-Type": {mediaType}, "Cache-Control": {"no-store"}}
	if s := e.seconds(m); s != "" {
		h.Set("Retry-After", s)
	}
	callItself(h, m)
	return answer{status: cmp.Or(m.Status, http.StatusServiceUnavailable), header: h, body: []byte(body), flags: abi.ResponseClose | abi.ResponseReset}
}

// callItself has an answer in a plugin's place bear the name that the plugin goes by.
func callItself(h http.Header, m manifest.Refusal) {
	if m.Server != "" {
		h.Set("Server", m.Server)
	}
}

// rtsp refuses an RTSP connection, of which head is the first request as far as it came
// (RFC 2326 7.1.1, 12.17; RFC 7826 17.5.4); nil if it speaks something else.
func (e excuse) rtsp(m manifest.Refusal, head []byte) []byte {
	line, rest, whole := bytes.Cut(head, []byte("\n"))
	version := rtspVersion(line)
	if !whole || version == "" {
		return nil
	}
	mediaType, body := e.words(m)
	b := fmt.Appendf(nil, "%s 503 Service Unavailable\r\n", version)
	if n, ok := cseq(rest); ok {
		b = fmt.Appendf(b, "CSeq: %d\r\n", n)
	}
	if m.Server != "" {
		b = fmt.Appendf(b, "Server: %s\r\n", m.Server) // RFC 2326 12.36
	}
	if s := e.seconds(m); s != "" {
		b = fmt.Appendf(b, "Retry-After: %s\r\n", s)
	}
	return fmt.Appendf(b, "Connection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", mediaType, len(body), body)
}

func rtspVersion(line []byte) string {
	line = bytes.TrimRight(line, "\r")
	for _, v := range []string{"RTSP/1.0", "RTSP/2.0"} {
		if bytes.HasSuffix(line, []byte(" "+v)) {
			return v
		}
	}
	return ""
}

// cseq finds a request's number among its fields.
func cseq(fields []byte) (n uint64, ok bool) {
	for line := range bytes.Lines(fields) {
		name, value, isField := bytes.Cut(line, []byte(":"))
		if isField && bytes.EqualFold(name, []byte("CSeq")) {
			n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 32)
			return n, err == nil
		}
	}
	return 0, false
}

// refuse ends a raw connection: with an answer if it speaks RTSP, else without.
func (e excuse) refuse(c *netio.Conn, m *manifest.Manifest) {
	if m == nil || !m.Listens.RTSP {
		c.Close()
		return
	}
	_ = c.SetReadDeadline(time.Now().Add(refusedTime)) // fails for a closed connection, which cannot be read either
	b := e.rtsp(m.Refusal, readHead(c))
	if b == nil || c.TryWrite(b) != nil {
		c.Close()
		return
	}
	c.CloseAfterFlush()
}

// readHead reads an RTSP request until its blank line, or as far as it comes; of anything
// else no more than shows what it is.
func readHead(from io.Reader) []byte {
	b := make([]byte, 0, refusedHead)
	for len(b) < cap(b) {
		n, err := from.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		line, _, whole := bytes.Cut(b, []byte("\n"))
		isOther := n > 0 && (b[0] < 'A' || b[0] > 'Z') || whole && rtspVersion(line) == ""
		if err != nil || isOther || bytes.Contains(b, []byte("\n\r\n")) || bytes.Contains(b, []byte("\n\n")) {
			break
		}
	}
	return b
}

// refuses gives why the plugin takes no new session of a peer, which is counted; nil if
// it does. Requests that come at the same moment may go over the bound of sessions by as
// many. Any goroutine.
func (r *Runner) refuses(peer netip.AddrPort) *excuse {
	return r.refusesOf(networkOf(peer.Addr()), peer)
}

func (r *Runner) refusesOf(of network, peer netip.AddrPort) *excuse {
	no := r.excuse(of)
	if no == nil && r.open.Load() >= r.room.limits.sessions {
		no = &excuse{reason: tooManySessions, text: "the plugin " + r.name + " has as many sessions as it may have"}
	}
	if no != nil {
		r.turnAway(no.reason, peer)
	}
	return no
}

// excuse gives why the plugin takes no new session of a network; nil if it does. While
// it is quarantined for its faults it takes those of the server itself. Any goroutine.
func (r *Runner) excuse(of network) *excuse {
	st, now := r.State(), r.room.now()
	if st.Phase != Running && (of.IsValid() || !st.Works()) {
		no := &excuse{reason: string(st.Phase), text: fmt.Sprintf("the plugin %s is %s", r.name, st.Phase), wait: st.Until.Sub(now)}
		no.stays = st.Phase == Failed || st.Phase == Disabled || st.Phase == Draining
		if st.Reason != "" && st.Phase != Failed && st.Phase != Quarantined {
			no.text = fmt.Sprintf("the plugin %s is %s", r.name, st.Words())
		}
		return no
	}
	if ok, after := r.blame.admits(now, of); !ok {
		return &excuse{reason: reasonThrottled, wait: after,
			text: fmt.Sprintf("the plugin %s takes nobody of %v for a while, since sessions from there have made it fail; "+
				"who comes through a proxy or NAT shares its network with all who do", r.name, of)}
	}
	return nil
}

// turnAway counts a peer that is refused. Any goroutine.
func (r *Runner) turnAway(reason string, peer netip.AddrPort) { r.turnedAway(reason, peer.String()) }

func (r *Runner) turnedAway(reason, peer string) {
	r.blame.turnedAway(reason)
	r.log.Debug("peer turned away", "reason", reason, "peer", peer)
}

// SetManifest tells what the plugin says of itself, while none of its generations runs.
func (r *Runner) SetManifest(m *manifest.Manifest) { r.said.Store(m) }

// saysOfItself gives the plugin's manifest: of the generation that runs, or that ran
// last, or that was to run; nil if there was none.
func (r *Runner) saysOfItself() *manifest.Manifest {
	if g := r.Generation(); g != nil {
		return g.Manifest()
	}
	return r.said.Load()
}

// words are those in which the plugin wants to be refused.
func (r *Runner) words() manifest.Refusal {
	if m := r.saysOfItself(); m != nil {
		return m.Refusal
	}
	return manifest.Refusal{}
}
