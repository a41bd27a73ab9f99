package main

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
)

// ask dials a target: a connection, or a request that wants the stream at once. It keeps
// what of it the next request needs.
func (s *state) ask(p *plugin, t *target, v *sdk.Verdicts, e abi.Event) {
	s.url = t.appendWhole(s.url[:0])
	s.dial(p, v, e, nil)
}

// target gives the present request's URL in parts, views of it.
func (s *state) target() target {
	t, _ := parseTarget(s.url) // it was read before
	return t
}

// dial sends the present request, with an Authorization if there is one.
func (s *state) dial(p *plugin, v *sdk.Verdicts, e abi.Event, authorization []byte) {
	s.phase = asking
	t := s.target()
	d := abi.Dial{Conn: s.conn, URL: t.append(nil), Silence: p.idle}
	if s.url[0] == 't' { // tcp: and tls:
		v.DialWith(d, nil)
		return
	}
	f := v.Fields()
	f.Add("Accept", "*/*")
	f.Add("Cache-Control", "no-cache")
	if s.manner != plain {
		f.Add("User-Agent", p.agent)
		s.pragmas(f, e)
	}
	if authorization != nil {
		f.Add("Authorization", sdk.String(authorization))
	}
	v.DialWith(d, f)
}

// pragmas asks a Windows Media server to play (MS-WMSP 2.2.1.4). The first request does
// so already: an encoder that takes one connection only has no other answer anyway, and
// others pay no heed to it (wire digest §3).
func (s *state) pragmas(f *sdk.Fields, e abi.Event) {
	context := "1"
	if s.manner == play {
		context = "2"
	}
	f.Add("Pragma", "no-cache,rate=1.000000,request-context="+context)
	f.Add("Pragma", "xPlayStrm=1")
	f.Add("Pragma", "xClientGUID="+guid(e.EventHead().Entropy))
	if s.client != 0 {
		f.Add("Pragma", "client-id="+strconv.FormatUint(uint64(s.client), 10))
	}
	if s.manner != play {
		return
	}
	count, entries := 0, []byte("stream-switch-entry=")
	for n := uint8(1); n <= asf.MaxStreams; n++ {
		if s.streams.Has(n) {
			count++
			entries = append(strconv.AppendUint(append(entries, "ffff:"...), uint64(n), 16), ":0 "...)
		}
	}
	f.Add("Pragma", "stream-switch-count="+strconv.Itoa(count))
	f.Add("Pragma", sdk.String(entries))
}

// guid writes what identifies a client, which here is one request's.
func guid(b [16]byte) string {
	out := []byte{'{'}
	for i := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			out = append(out, '-')
		}
		out = appendHex(out, b[i:i+1])
	}
	return string(append(out, '}'))
}

// again gives up the present connection for another request.
func (s *state) again(p *plugin, v *sdk.Verdicts, e abi.Event, authorization []byte) {
	old := s.conn
	s.conn++
	s.dial(p, v, e, authorization)
	v.Close(old, abi.CloseNow, "answered")
}

// askToPlay sends the request that follows a Describe.
func (s *state) askToPlay(p *plugin, v *sdk.Verdicts, e abi.Event) {
	s.manner, s.tried, s.redirects = play, 0, 0
	s.again(p, v, e, nil)
}
