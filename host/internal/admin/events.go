package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weir-media/weir/host/internal/journal"
)

// Event is something that has happened, as the journal has it.
type Event = journal.Event

// EventQuery says which events are wanted; the zero value is all.
type EventQuery struct {
	Kinds  []string
	Points []string
}

// Bounds of a stream of events. Chosen.
const (
	eventsType = "text/event-stream" // WHATWG HTML 9.2
	missedType = "missed"            // of the event that says how many were missed
	// eventsBeat is how often a reader is shown that the server is there, and found out if it is not.
	eventsBeat  = 15 * time.Second
	eventsWrite = 30 * time.Second // longest that a write to a reader may take
	eventsBatch = 256
	maxEvent    = 64 << 10 // bytes of one line; texts of peers are cut off far below
)

// missed is the data of an event that says how many were missed.
type missed struct {
	Missed uint64 `json:"missed"`
}

func (q EventQuery) values() url.Values { return url.Values{"kind": q.Kinds, "point": q.Points} }

// filterOf reads ?kind=play,stop&point=live; each may stand several times.
func filterOf(q url.Values) (f journal.Filter, err error) {
	known := journal.Kinds()
	for _, text := range q["kind"] {
		for word := range strings.SplitSeq(text, ",") {
			k := journal.Kind(strings.TrimSpace(word))
			if !slices.Contains(known, k) {
				return f, fmt.Errorf("events: there is no kind %q; there are %s", word, kindList())
			}
			f.Kinds = append(f.Kinds, k)
		}
	}
	f.Points, f.Guest = q["point"], true
	return f, nil
}

func kindList() string {
	var all []string
	for _, k := range journal.Kinds() {
		all = append(all, string(k))
	}
	return strings.Join(all, ", ")
}

// events streams what happens from now on as server-sent events, until the reader leaves or is too slow for a single write.
func (a *api) events(w http.ResponseWriter, r *http.Request) {
	f, err := filterOf(r.URL.Query())
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	reader, err := a.backend.Events(f)
	if err != nil {
		writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	defer reader.Close()
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // it may last; where no deadline can be set, there is none
	w.Header().Set("Content-Type", eventsType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	beat := time.NewTicker(eventsBeat)
	defer beat.Stop()
	text, more := []byte(": events of weir\n\n"), true
	for more {
		_ = control.SetWriteDeadline(time.Now().Add(eventsWrite))
		if _, err = w.Write(text); err != nil || control.Flush() != nil {
			return
		}
		if text = eventsText(text[:0], reader); len(text) > 0 {
			continue
		}
		select {
		case _, more = <-reader.Bell():
			text = eventsText(text[:0], reader)
		case <-beat.C:
			text = append(text, ": \n\n"...)
		case <-r.Context().Done():
			return
		}
	}
}

// eventsText appends what waits for a reader.
func eventsText(b []byte, from *journal.Reader) []byte {
	events, lost := from.Take(eventsBatch)
	for _, e := range events {
		data, err := json.Marshal(e)
		if err != nil {
			continue // no field of an event can bring this about
		}
		b = fmt.Appendf(b, "id: %d\nevent: %s\ndata: %s\n\n", e.ID, e.Kind, data)
	}
	if lost > 0 {
		b = fmt.Appendf(b, "event: %s\ndata: {\"missed\": %d}\n\n", missedType, lost)
	}
	return b
}

// Events calls f for each event from now on, and gap where some were missed, until ctx ends, the server does, or one of them fails. Its error is nil when
// ctx has ended.
func (c *Client) Events(ctx context.Context, q EventQuery, f func(Event) error, gap func(uint64) error) error {
	target := c.base + "/v1/events?" + q.values().Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.address, err)
	}
	r.Header.Set("Accept", eventsType)
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	patient := *c.http
	patient.Timeout = 0 // it lasts as long as ctx
	answer, err := patient.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return c.unreachable(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return refusal(answer)
	}
	if err = readEvents(answer.Body, f, gap); ctx.Err() != nil {
		return nil
	} else if err == nil {
		err = errors.New("the server has ended")
	}
	return err
}

// readEvents reads server-sent events (WHATWG HTML 9.2.6) as this server writes them: one line of data each.
func readEvents(from io.Reader, f func(Event) error, gap func(uint64) error) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 0, 4<<10), maxEvent)
	kind := ""
	for lines.Scan() {
		field, value, _ := bytes.Cut(lines.Bytes(), []byte(": "))
		switch string(field) {
		case "event":
			kind = string(value)
		case "data":
			if err := readEvent(kind, value, f, gap); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

func readEvent(kind string, data []byte, f func(Event) error, gap func(uint64) error) error {
	if kind == missedType {
		var m missed
		if err := json.Unmarshal(data, &m); err != nil {
			return fmt.Errorf("read an event: %w", err)
		}
		return gap(m.Missed)
	}
	var e Event
	if err := json.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("read an event: %w", err)
	}
	return f(e)
}
