package sessionlog

import (
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weir-media/weir/host/internal/journal"
)

// fields is what stands behind "#Fields:". Those that Windows Media Services had too mean
// what they meant there; c-rate is 1, since all is live, and c-starttime 0. The rest
// begins with x-. c-dns is never looked up.
const fields = "c-ip date time c-dns cs-uri-stem c-starttime x-duration c-rate c-status c-playerid c-playerversion c-playerlanguage cs(User-Agent) cs(Referer) " +
	"avgbandwidth protocol transport sc-bytes cs-bytes s-pkts-sent s-ip s-totalclients s-session-id cs-media-role " +
	"x-point x-rendition x-plugin x-pkts-skipped x-reason"

// The values of cs-media-role.
const (
	roleViewer = "viewer"
	roleSource = "source"
)

// entry is a session that has ended.
type entry struct {
	end     *journal.Event
	client  *journal.Client // nil: its beginning was missed
	role    string
	clients int // viewers that are there still
}

// maxWord bounds one field, in bytes. Chosen.
const maxWord = 512

// word appends a field: blanks become "+", as the W3C format wants it, and so does all
// that could end the line or hide something in it.
func word(b []byte, s string) []byte {
	if s == "" {
		return append(b, '-')
	}
	if len(s) > maxWord {
		s = s[:maxWord]
	}
	for _, r := range s {
		if r == utf8.RuneError || r != ' ' && !unicode.IsPrint(r) || unicode.IsSpace(r) {
			b = append(b, '+')
			continue
		}
		b = utf8.AppendRune(b, r)
	}
	return b
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

// line appends a whole line.
func (e *entry) line(b []byte) []byte {
	var t journal.Traffic
	if e.end.Traffic != nil {
		t = *e.end.Traffic
	}
	c := e.client
	if c == nil {
		c = &journal.Client{}
	}
	bandwidth := ""
	if t.Seconds > 0 {
		bandwidth = number(uint64(float64(t.BytesIn+t.BytesOut) * 8 / t.Seconds))
	}
	stem := c.Path
	if stem == "" {
		stem = "/" + e.end.Point
	}
	at := e.end.Time.UTC()
	for i, v := range [...]string{
		host(e.end.Peer), at.Format(time.DateOnly), at.Format(time.TimeOnly), "", stem, "0", number(uint64(t.Seconds)), "1", "200",
		c.Player, version(c.UserAgent), c.Language, c.UserAgent, c.Referer,
		bandwidth, c.Protocol, c.Transport, number(t.BytesOut), number(t.BytesIn), number(t.Packets), host(c.Local), number(uint64(e.clients)), number(e.end.Session), e.role,
		e.end.Point, e.end.Rendition, e.end.Plugin, number(t.Dropped), e.end.Reason,
	} {
		if i > 0 {
			b = append(b, ' ')
		}
		b = word(b, v)
	}
	return append(b, '\r', '\n')
}

// host is an address without its port; a name that is none stays.
func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}

// version is that of the first product of a User-Agent, "9.0.0.3372" of "NSPlayer/9.0.0.3372
// WMFSDK/9.0"; empty if it has none.
func version(agent string) string {
	product, _, _ := strings.Cut(agent, " ")
	_, v, _ := strings.Cut(product, "/")
	return v
}
