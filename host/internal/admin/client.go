package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// clientTimeout bounds one question, the answer's body included. Chosen: a reload compiles a module.
	clientTimeout = 60 * time.Second
	// maxAnswer bounds an answer's body in bytes: a million sessions. Chosen.
	maxAnswer = 512 << 20
)

// Client asks a running server. It is safe for concurrent use.
type Client struct {
	address string // as the user wrote it, for errors
	base    string // URL without path
	token   string
	http    *http.Client
}

// NewClient makes a client of the server at "unix:PATH" or "HOST:PORT", where it shows the token. Nothing is sent yet.
func NewClient(address, token string) (*Client, error) {
	c := &Client{address: address, token: token}
	transport := &http.Transport{DisableKeepAlives: true}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if path == "" {
			return nil, errors.New("admin address: unix: needs the path of a socket")
		}
		var d net.Dialer
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", path) }
		c.base = "http://localhost"
	} else {
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
			return nil, fmt.Errorf("admin address %q: write unix:PATH or HOST:PORT", address)
		}
		c.base = "http://" + address
	}
	c.http = &http.Client{Transport: transport, Timeout: clientTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // the token goes nowhere else
	}}
	return c, nil
}

// Status describes the whole server.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask[Status](ctx, c, http.MethodGet, "/v1/status", nil)
}

// Sessions lists the sessions of a point, or all for "".
func (c *Client) Sessions(ctx context.Context, point string) ([]Session, error) {
	q := url.Values{}
	if point != "" {
		q.Set("point", point)
	}
	return ask[[]Session](ctx, c, http.MethodGet, "/v1/sessions", q)
}

// Ports lists what is open and what grants allow.
func (c *Client) Ports(ctx context.Context) ([]Port, error) {
	return ask[[]Port](ctx, c, http.MethodGet, "/v1/ports", nil)
}

// EnablePlugin starts a plugin.
func (c *Client) EnablePlugin(ctx context.Context, name string) (Plugin, error) {
	return ask[Plugin](ctx, c, http.MethodPost, "/v1/plugins/"+url.PathEscape(name)+"/enable", nil)
}

// DisablePlugin stops a plugin; status shows the reason, which may be empty.
func (c *Client) DisablePlugin(ctx context.Context, name, reason string) (Plugin, error) {
	return ask[Plugin](ctx, c, http.MethodPost, "/v1/plugins/"+url.PathEscape(name)+"/disable", url.Values{"reason": {reason}})
}

// ReloadPlugin has a plugin's module read again; force has it put in force even if it fails on what the one that runs has answered.
func (c *Client) ReloadPlugin(ctx context.Context, name string, force bool) (PluginChange, error) {
	q := url.Values{}
	if force {
		q.Set("force", "true")
	}
	return ask[PluginChange](ctx, c, http.MethodPost, "/v1/plugins/"+url.PathEscape(name)+"/reload", q)
}

// PlanConfig tells what a configuration would change.
func (c *Client) PlanConfig(ctx context.Context, p Proposal) (Plan, error) {
	return c.propose(ctx, "plan", p)
}

// ApplyConfig puts a configuration in force.
func (c *Client) ApplyConfig(ctx context.Context, p Proposal) (Plan, error) {
	return c.propose(ctx, "apply", p)
}

func (c *Client) propose(ctx context.Context, verb string, p Proposal) (plan Plan, err error) {
	text, err := json.Marshal(p)
	if err != nil {
		return plan, fmt.Errorf("send the configuration: %w", err)
	}
	_, body, err := c.send(ctx, http.MethodPost, "/v1/config/"+verb, nil, text)
	if err == nil {
		err = json.Unmarshal(body, &plan)
	}
	return plan, err
}

// IsLocal tells whether the server is on this computer for certain: it is reached by a unix socket.
func (c *Client) IsLocal() bool { return strings.HasPrefix(c.address, "unix:") }

// Announce gives a document about a point, for players that reach the server at authority ("host:port", may be empty).
func (c *Client) Announce(ctx context.Context, point, format, authority string) (mediaType string, body []byte, err error) {
	q := url.Values{"point": {point}}
	if authority != "" {
		q.Set("authority", authority)
	}
	return c.do(ctx, http.MethodGet, "/v1/announce/"+url.PathEscape(format), q)
}

func ask[T any](ctx context.Context, c *Client, method, path string, q url.Values) (v T, err error) {
	_, body, err := c.do(ctx, method, path, q)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return v, fmt.Errorf("read the answer of %s: %w", c.address, err)
	}
	return v, nil
}

func (c *Client) do(ctx context.Context, method, path string, q url.Values) (mediaType string, body []byte, err error) {
	return c.send(ctx, method, path, q, nil)
}

// send gives the body of an answer; an answer that is an error becomes an error with its text.
func (c *Client) send(ctx context.Context, method, path string, q url.Values, content []byte) (mediaType string, body []byte, err error) {
	target := c.base + path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(content))
	if err != nil {
		return "", nil, fmt.Errorf("ask %s: %w", c.address, err)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return "", nil, c.unreachable(err)
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return "", nil, fmt.Errorf("read the answer of %s: %w", c.address, err)
	}
	if answer.StatusCode != http.StatusOK {
		var p problem
		if json.Unmarshal(body, &p) != nil || p.Error == "" {
			p.Error = answer.Status
		}
		return "", nil, &AnswerError{Status: answer.StatusCode, Text: p.Error}
	}
	return answer.Header.Get("Content-Type"), body, nil
}

// AnswerError is a server's answer that it did not do what was asked.
type AnswerError struct {
	Status int    // of HTTP
	Text   string // what the server says
}

// Error is what the server says.
func (e *AnswerError) Error() string { return e.Text }

// unreachable keeps the cause of an error of net/http, without the method and made-up URL around it.
func (c *Client) unreachable(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("no server answers at %s: %w", c.address, op.Err)
	}
	return fmt.Errorf("ask %s: %w", c.address, err)
}
