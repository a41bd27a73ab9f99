package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Bounds of a recording. Chosen: an hour is longer than anybody waits for, a gibibyte more than anybody looks through.
const (
	DefaultRecord  = 10 * time.Second
	maxRecord      = time.Hour
	maxRecordBytes = 1 << 30
	recordType     = "application/x-weir-recording"
	// recordSlack is how long the end of a recording may take to be sent. Chosen.
	recordSlack = 10 * time.Second
	// maxRefusal bounds the text of a refusal in bytes. Chosen.
	maxRefusal = 64 << 10
)

// Recording says how much of a plugin's calls is recorded.
type Recording struct {
	For   time.Duration
	Bytes int64 // 0: as many as the server thinks right
}

func (o Recording) query() url.Values {
	q := url.Values{"for": {o.For.String()}}
	if o.Bytes > 0 {
		q.Set("bytes", strconv.FormatInt(o.Bytes, 10))
	}
	return q
}

func recordingOf(q url.Values) (o Recording, err error) {
	o.For = DefaultRecord
	if text := q.Get("for"); text != "" {
		if o.For, err = time.ParseDuration(text); err != nil || o.For <= 0 || o.For > maxRecord {
			return o, fmt.Errorf("record: for=%q is no time between 0 and %v; write for=10s", text, maxRecord)
		}
	}
	if text := q.Get("bytes"); text != "" {
		if o.Bytes, err = strconv.ParseInt(text, 10, 64); err != nil || o.Bytes <= 0 || o.Bytes > maxRecordBytes {
			return o, fmt.Errorf("record: bytes=%q is no number between 1 and %d", text, maxRecordBytes)
		}
	}
	return o, nil
}

// record streams a recording. Errors before its first byte become an answer; behind it, the recording lacks its last entry.
func (a *api) record(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET, POST")
		writeError(w, http.StatusMethodNotAllowed, fmt.Errorf("%s takes GET and POST, not %s", r.URL.Path, r.Method))
		return
	}
	o, err := recordingOf(r.URL.Query())
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	to := &streamed{w: w, control: http.NewResponseController(w)}
	// A recording lasts longer than other questions and answers may. Where no deadline can be set, there is none.
	_ = to.control.SetReadDeadline(time.Time{})
	_ = to.control.SetWriteDeadline(time.Now().Add(o.For + recordSlack))
	if err = a.backend.RecordPlugin(r.Context(), r.PathValue("name"), o, to); err != nil && !to.begun {
		writeError(w, statusOf(err, http.StatusConflict), err)
	}
}

// streamed sends each write at once.
type streamed struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func (s *streamed) Write(b []byte) (int, error) {
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", recordType)
		s.w.WriteHeader(http.StatusOK)
	}
	n, err := s.w.Write(b)
	if err == nil {
		err = s.control.Flush()
	}
	return n, err
}

// RecordPlugin copies a recording of a plugin to w as it grows.
func (c *Client) RecordPlugin(ctx context.Context, name string, o Recording, w io.Writer) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.For+2*recordSlack)
	defer cancel()
	target := c.base + "/v1/plugins/" + url.PathEscape(name) + "/record?" + o.query().Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, nil)
	if err != nil {
		return 0, fmt.Errorf("ask %s: %w", c.address, err)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	patient := *c.http
	patient.Timeout = 0 // the context's is longer
	answer, err := patient.Do(r)
	if err != nil {
		return 0, c.unreachable(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return 0, refusal(answer)
	}
	n, err = io.Copy(w, answer.Body)
	if err != nil && !errors.Is(err, context.Canceled) {
		return n, fmt.Errorf("read the recording from %s: %w", c.address, err)
	}
	return n, nil
}

// refusal is the error that an answer other than 200 stands for.
func refusal(answer *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxRefusal)) // as much as comes
	var p problem
	if json.Unmarshal(body, &p) != nil || p.Error == "" {
		p.Error = answer.Status
	}
	return &AnswerError{Status: answer.StatusCode, Text: p.Error}
}
