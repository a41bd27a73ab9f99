package main

import (
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// Sections are those of MQTT Version 3.1.1, OASIS Standard, 29 October 2014.

const (
	client    = 1         // the connection that opened the session
	keepAlive = 1         // the timer's id
	maxTopics = 8         // subscriptions of one session; chosen: half of the points that a session may watch
	prefix    = "points/" // of all topics

	connectTime = 5 * time.Second // for CONNECT to come whole; chosen: less than the host gives
)

func newPlugin() *sdk.Plugin { return sdk.New(nil, event) }

func event(s *state, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.ConnOpen:
		v.SetTimer(keepAlive, int64(connectTime))
	case *abi.Data:
		return s.data(e, v)
	case *abi.Point:
		s.point(e, v)
	case *abi.Refused:
		s.refused(e, v)
	case *abi.Timer:
		// 3.1.2.10: nothing came for one and a half times the Keep Alive; or no CONNECT (3.1.4)
		v.Close(0, abi.CloseNow, "the client is silent")
	case *abi.Stop:
		v.Close(0, abi.CloseFlush, string(e.Text))
	}
	return nil
}

// data takes whole packets, up to a SUBSCRIBE: the answer to its second half may be refused, and is therefore given alone.
func (s *state) data(e *abi.Data, v *sdk.Verdicts) error {
	if s.asked.filters > 0 {
		return s.subscribe(e, v)
	}
	rest := e.Bytes
	for len(rest) > 0 {
		p, need, err := parse(rest)
		if err != nil {
			return err
		}
		if need > 0 {
			v.Need(client, need)
			break
		}
		if p.kind == subscribe {
			end := e.Offset + uint64(len(e.Bytes)-len(rest)+p.size)
			if err = s.ask(p, end); err != nil {
				return err
			}
			v.Consume(client, end-uint64(len(p.body)-2))
			return nil
		}
		rest = rest[p.size:]
		over, err := s.packet(p, v)
		if over || err != nil {
			return err
		}
	}
	if taken := len(e.Bytes) - len(rest); taken > 0 {
		v.Consume(client, e.Offset+uint64(taken))
	}
	return nil
}

// packet answers anything but SUBSCRIBE. over: the session is closed.
func (s *state) packet(p packet, v *sdk.Verdicts) (over bool, err error) {
	if s.connected != (p.kind != connect) {
		return false, malformed("the first packet, and no other, must be CONNECT (3.1)")
	}
	switch p.kind {
	case connect:
		over, err = s.connect(p.body, v)
	case unsubscribe:
		err = s.unsubscribe(p.body, v)
	case pingreq:
		send(v, []byte{pingresp << 4, 0}) // 3.13
	case disconnect:
		v.Close(0, abi.CloseFlush, "DISCONNECT") // 3.14.4
		return true, nil
	default:
		// 3.3.5: who may not publish is told by the connection's end
		return false, malformed("a packet of type " + digit(p.kind) + " is not for this broker: points are read here")
	}
	if over || err != nil {
		return over, err
	}
	s.alive(v)
	return false, nil
}

// alive begins the Keep Alive anew (3.1.2.10).
func (s *state) alive(v *sdk.Verdicts) {
	if s.keepSeconds > 0 {
		v.SetTimer(keepAlive, int64(s.keepSeconds)*int64(time.Second)*3/2)
	}
}

// The return codes of CONNACK (3.2.2.3) that this broker has.
const (
	accepted           = 0
	unacceptableLevel  = 1
	identifierRejected = 2
)

func (s *state) connect(body []byte, v *sdk.Verdicts) (over bool, err error) {
	c, err := parseConnect(body)
	if err != nil {
		return false, err
	}
	code := byte(accepted)
	switch {
	case c.level != 4: // 3.1.2.2
		code = unacceptableLevel
	case !c.clean && c.anonymous: // 3.1.3.1
		code = identifierRejected
	}
	send(v, []byte{connack << 4, 2, 0, code}) // 3.2; no session is ever present
	if code != accepted {
		v.Close(0, abi.CloseFlush, "CONNECT was refused")
		return true, nil
	}
	s.connected, s.keepSeconds = true, c.keepSeconds
	if s.keepSeconds == 0 {
		v.SetTimer(keepAlive, 0) // the mechanism is off (3.1.2.10)
	}
	return false, nil
}

// ask remembers a SUBSCRIBE, of which the host then delivers the payload again.
func (s *state) ask(p packet, end uint64) error {
	if !s.connected {
		return malformed("SUBSCRIBE before CONNECT (3.1)")
	}
	if len(p.body) < 2 {
		return malformed("SUBSCRIBE without a packet identifier (2.3.1)")
	}
	n := 0
	for rest := p.body[2:]; len(rest) > 0; n++ {
		filter, more, ok := text(rest)
		if !ok || len(filter) == 0 || len(more) == 0 || more[0] > 2 { // 3.8.3, 4.7.3
			return malformed("a filter of SUBSCRIBE is malformed (3.8.3)")
		}
		rest = more[1:]
	}
	if n == 0 || n > maxFilters {
		return malformed("SUBSCRIBE with no filter, or with too many (3.8.3)")
	}
	s.asked = asked{id: [2]byte(p.body), filters: n, end: end}
	return nil
}

// failure is SUBACK's return code for a topic that is not to be had (3.9.3). Others get 0, the Quality of Service.
const failure = 0x80

// subscribe watches the points of a SUBSCRIBE, whose payload e begins with. The host refuses all of it if one is not there or not granted.
func (s *state) subscribe(e *abi.Data, v *sdk.Verdicts) error {
	size := s.asked.end - e.Offset
	if e.Offset > s.asked.end || size > uint64(len(e.Bytes)) {
		return sdk.Fail(abi.EINTERNAL, "the payload of SUBSCRIBE did not come again")
	}
	codes := make([]byte, 0, maxFilters)
	again := make([]int, 0, maxFilters)
	for rest := e.Bytes[:size]; len(rest) > 0; {
		filter, more, ok := text(rest)
		if !ok || len(more) == 0 {
			return sdk.Fail(abi.EINTERNAL, "the payload of SUBSCRIBE has changed")
		}
		rest = more[1:]
		name, ok := pointOf(filter)
		i := s.find(name)
		switch {
		case !ok || i < 0 && len(s.topics) == maxTopics:
			codes = append(codes, failure)
			continue
		case i >= 0:
			again = append(again, i) // 3.8.4: a subscription is replaced, and retained messages are sent again
		default:
			s.topics = append(s.topics, topic{name: string(name)})
			v.Watch(name)
		}
		codes = append(codes, 0)
	}
	s.suback(v, codes)
	for _, i := range again {
		if t := &s.topics[i]; t.last != "" {
			publish(v, t, true)
		}
	}
	return nil
}

func (s *state) suback(v *sdk.Verdicts, codes []byte) {
	send(v, append([]byte{suback << 4, byte(2 + len(codes)), s.asked.id[0], s.asked.id[1]}, codes...)) // 3.9
	v.Consume(client, s.asked.end)
	s.asked = asked{}
	s.alive(v)
}

// refused answers a SUBSCRIBE whose points the host does not give. Anything else that is refused was written to a client who is gone.
func (s *state) refused(e *abi.Refused, v *sdk.Verdicts) {
	if s.asked.filters == 0 || e.During != abi.OpData || e.Code == abi.ECLOSED {
		v.Close(0, abi.CloseNow, string(e.Text))
		return
	}
	codes := make([]byte, s.asked.filters)
	for i := range codes {
		codes[i] = failure
	}
	s.suback(v, codes)
}

// unsubscribe forgets topics; the host goes on telling of their points (3.10).
func (s *state) unsubscribe(body []byte, v *sdk.Verdicts) error {
	if len(body) < 2 {
		return malformed("UNSUBSCRIBE without a packet identifier (2.3.1)")
	}
	id, rest := [2]byte(body), body[2:]
	if len(rest) == 0 {
		return malformed("UNSUBSCRIBE without a filter (3.10.3)")
	}
	for len(rest) > 0 {
		filter, more, ok := text(rest)
		if !ok || len(filter) == 0 {
			return malformed("a filter of UNSUBSCRIBE is malformed (3.10.3)")
		}
		if name, ok := pointOf(filter); ok {
			s.forget(name)
		}
		rest = more
	}
	send(v, []byte{unsuback << 4, 2, id[0], id[1]}) // 3.11
	return nil
}

// point tells a subscriber of a change. The first message is the retained one (3.3.1.3).
func (s *state) point(e *abi.Point, v *sdk.Verdicts) {
	i := s.find(e.Summary.Name)
	if i < 0 {
		return
	}
	t := &s.topics[i]
	now, first := stateText(e.Summary.State), t.last == ""
	if now == t.last {
		return
	}
	t.last = now
	publish(v, t, first)
}

func stateText(s abi.PointState) string {
	words := [...]string{"unknown", "idle", "waiting", "live", "draining", "failed"}
	if int(s) < len(words) {
		return words[s]
	}
	return words[0]
}

func pointOf(filter []byte) (name []byte, ok bool) {
	if len(filter) <= len(prefix) || string(filter[:len(prefix)]) != prefix {
		return nil, false
	}
	return filter[len(prefix):], true
}

// publish sends what is known of a topic, with Quality of Service 0 (3.3).
func publish(v *sdk.Verdicts, t *topic, retained bool) {
	head := byte(publishing << 4)
	if retained {
		head |= 1
	}
	b := appendLength([]byte{head}, 2+len(prefix)+len(t.name)+len(t.last))
	b = appendText(b, prefix+t.name)
	send(v, append(b, t.last...))
}

func send(v *sdk.Verdicts, b []byte) {
	p := v.Pieces()
	p.Literal(b)
	v.Write(client, p)
}
