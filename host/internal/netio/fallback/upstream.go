package fallback

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds of the way to an upstream server: chosen.
const (
	dialTimeout    = 5 * time.Second
	tlsTimeout     = 5 * time.Second
	answerTimeout  = 60 * time.Second // from the end of the request to the head of the answer
	idleTimeout    = 60 * time.Second
	continueWait   = time.Second
	mostIdle       = 32               // connections kept
	mostConns      = 1024             // connections at once
	queueTimeout   = 12 * time.Second // for one of them to be free, or opened: above the two above
	maxAnswerHead  = 256 << 10
	copyBytes      = 32 << 10
	pseudonymBytes = 4
)

// upstream passes requests on to another web server.
type upstream struct {
	target *url.URL
	name   string // in Via, other than that of any other proxy
	log    *slog.Logger
	proxy  *httputil.ReverseProxy
}

// Upstream passes requests on to the web server at target, http or https, below target's
// path. Bodies stream both ways, WebSocket connections are carried through, and any other
// change of protocol is not offered.
//
// The server sees the Host that the client sent. X-Forwarded-For, -Host and -Proto tell
// the client's address, that Host, and "http" or "https"; what the client itself sent as
// X-Forwarded-…, Forwarded or X-Real-Ip is dropped. So are fields that concern one
// connection only, and names with an underscore, which many servers take for a hyphen. Paths with "." or ".." in them, in any spelling of one
// decoding, are refused, CONNECT and TRACE likewise; an absolute target goes to the same server.
// Answers of its own are 502 if the server is away, 504 if it does not answer in time, and
// 508 if a request has come back to where it was; 503 if too many others are under way.
//
// log may be nil. The handler keeps idle connections for a minute.
func Upstream(target *url.URL, log *slog.Logger) (http.Handler, error) {
	switch {
	case target == nil || target.Scheme != "http" && target.Scheme != "https":
		return nil, fmt.Errorf("fallback upstream %v: not an http or https URL", target)
	case target.Host == "" || target.Hostname() == "":
		return nil, fmt.Errorf("fallback upstream %v: names no host", target)
	case target.RawQuery != "" || target.Fragment != "" || target.User != nil:
		return nil, fmt.Errorf("fallback upstream %v: only scheme, host, port and path count; leave the rest out", target.Redacted())
	}
	random := make([]byte, pseudonymBytes)
	_, _ = rand.Read(random) // never fails
	u := &upstream{target: target, name: "weir-" + hex.EncodeToString(random), log: or(log)}
	u.proxy = &httputil.ReverseProxy{
		Rewrite:       u.rewrite,
		Transport:     transport(),
		FlushInterval: -1,
		BufferPool:    &buffers{},
		ErrorHandler:  u.fail,
		ErrorLog:      logOf(u.log),
	}
	return u, nil
}

func transport() *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    tlsTimeout,
		ResponseHeaderTimeout:  answerTimeout,
		ExpectContinueTimeout:  continueWait,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           mostIdle,
		MaxIdleConnsPerHost:    mostIdle,
		MaxConnsPerHost:        mostConns,
		MaxResponseHeaderBytes: maxAnswerHead,
		DisableCompression:     true, // what the client did not ask for is not asked for
	}
}

// Takes tells whether requests of this method are passed on.
func (u *upstream) Takes(method string) bool {
	return method != http.MethodConnect && method != http.MethodTrace
}

// ServeHTTP passes a request on, or refuses it.
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case !u.Takes(r.Method):
		w.Header().Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
		refuse(w, http.StatusMethodNotAllowed, "this method is not passed on")
		return
	case !strings.HasPrefix(r.URL.Path, "/") && r.URL.Path != "", climbs(r.URL.Path):
		refuse(w, http.StatusBadRequest, "this path is not passed on")
		return
	case u.returned(r):
		u.log.Warn("request loop: the upstream server passes requests back", "upstream", u.target.String())
		refuse(w, http.StatusLoopDetected, "this request has come back to a server that it has passed")
		return
	}
	if r.Body != nil && r.Body != http.NoBody {
		body := &watchedBody{ReadCloser: r.Body}
		r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, body))
		r.Body = body
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	queue := time.AfterFunc(queueTimeout, func() { cancel(errCrowded) })
	defer queue.Stop()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { queue.Stop() }})
	u.proxy.ServeHTTP(w, r.WithContext(ctx))
}

// errCrowded is why a request is given up that got no connection.
var errCrowded = errors.New("no connection to the upstream server became free")

// watchedBody tells afterwards whose fault it was that a request could not be sent.
type watchedBody struct {
	io.ReadCloser
	broken atomic.Bool
}

type bodyKey struct{}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.broken.Store(true)
	}
	return n, err
}

// climbs tells whether a decoded path could mean another one to some server.
func climbs(p string) bool {
	if strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7F || r == '\\' }) {
		return true
	}
	for part := range strings.SplitSeq(p, "/") {
		part, _, _ = strings.Cut(part, ";") // some servers take "..;" for ".."
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}

// returned tells whether the request has passed here before (RFC 9110 7.6.3).
func (u *upstream) returned(r *http.Request) bool {
	for _, v := range r.Header["Via"] {
		if strings.Contains(v, u.name) {
			return true
		}
	}
	return false
}

func (u *upstream) rewrite(p *httputil.ProxyRequest) {
	p.SetURL(u.target)
	p.Out.URL.RawQuery = p.In.URL.RawQuery // as it was sent
	p.Out.Host = p.In.Host
	h := p.Out.Header
	for name := range h {
		if strings.HasPrefix(name, "X-Forwarded-") || strings.Contains(name, "_") {
			delete(h, name)
		}
	}
	p.SetXForwarded()
	h.Del("X-Real-Ip")
	h.Add("Via", fmt.Sprintf("%d.%d %s", p.In.ProtoMajor, p.In.ProtoMinor, u.name))
	if up := h.Get("Upgrade"); up != "" && !strings.EqualFold(up, "websocket") {
		h.Del("Upgrade") // h2c would carry requests that nobody here sees
		h.Del("Connection")
	}
}

// fail answers when the server does not.
func (u *upstream) fail(w http.ResponseWriter, r *http.Request, err error) {
	var timeout net.Error
	body, _ := r.Context().Value(bodyKey{}).(*watchedBody)
	switch {
	case errors.Is(context.Cause(r.Context()), errCrowded):
		u.log.Warn("upstream server has too many requests", "upstream", u.target.String(), "connections", mostConns)
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, "too many requests are under way to the web server behind this address")
	case body != nil && body.broken.Load(): // which ends the context too
		refuse(w, http.StatusBadRequest, "the request's body broke off")
	case errors.Is(err, context.Canceled), r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // the client has left
	case errors.As(err, &timeout) && timeout.Timeout():
		u.log.Warn("upstream server does not answer", "upstream", u.target.String(), "error", err)
		refuse(w, http.StatusGatewayTimeout, "the web server behind this address does not answer in time")
	default:
		u.log.Warn("upstream server is away", "upstream", u.target.String(), "error", err)
		refuse(w, http.StatusBadGateway, "the web server behind this address is away")
	}
}

// buffers are what answers are copied through.
type buffers struct{ pool sync.Pool }

// Get gives a buffer.
func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, copyBytes)
}

// Put takes it back.
func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

// proxyLog turns the proxy's complaints into debug lines.
type proxyLog struct{ log *slog.Logger }

func logOf(l *slog.Logger) *log.Logger { return log.New(proxyLog{l}, "", 0) }

func (p proxyLog) Write(line []byte) (int, error) {
	p.log.Debug(string(bytes.TrimSpace(line)))
	return len(line), nil
}
