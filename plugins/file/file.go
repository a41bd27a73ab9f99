package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
)

// file is the number that the session gives to its file (spec.md §6, DIAL).
const file = 2

func newPlugin() *sdk.Plugin { return sdk.New(nil, event) }

func event(s *state, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.Start:
		s.phase = dialing
		s.point = append(s.point[:0], e.Point...)
		s.url = append(s.url[:0], e.URL...)
		v.Dial(file, s.url, abi.DialLoop)
	case *abi.Dialed:
		s.dialed(e, v)
	case *abi.Data:
		if s.phase == sniffing {
			s.sniff(e, v)
		}
	case *abi.End:
		s.ended(e, v)
	case *abi.Refused:
		s.close(v, s.name()+" cannot feed point "+sdk.Quote(s.point)+sdk.Because(e.Text))
	case *abi.Stop:
		s.close(v, "stopped"+sdk.Because(e.Text))
	}
	return nil
}

func (s *state) dialed(e *abi.Dialed, v *sdk.Verdicts) {
	switch {
	case e.Code == abi.ENOENT:
		s.close(v, s.name()+" does not exist"+sdk.Because(e.Text)+"; mend the point's source in plugins.yaml")
	case e.Code == abi.EPERM:
		s.close(v, s.name()+" may not be read"+sdk.Because(e.Text)+"; grant its folder with read: under plugins: file: in plugins.yaml")
	case e.Code != abi.OK:
		s.close(v, s.name()+" cannot be opened"+sdk.Because(e.Text))
	default:
		s.phase = sniffing
	}
}

// sniff chooses the format plugin by the file's first bytes, whatever its name ends in.
func (s *state) sniff(e *abi.Data, v *sdk.Verdicts) {
	layout, need := asf.Sniff(e.Bytes)
	switch {
	case need > 0 && e.Flags&abi.DataLast == 0:
		v.Need(file, len(e.Bytes)+need)
	case need > 0:
		s.close(v, s.name()+" is too short to be media")
	case layout == asf.Plain:
		s.feed(v, "bytes:asf")
	case layout == asf.TS:
		s.feed(v, "bytes:mpegts")
	case layout == asf.WebM:
		s.feed(v, "bytes:webm")
	case layout == asf.Ogg:
		s.feed(v, "bytes:ogg")
	default:
		s.close(v, s.name()+" is neither ASF, an MPEG transport stream, WebM nor Ogg"+guess(layout)+"; convert it, for example: ffmpeg -i FILE -f mpegts FILE.ts")
	}
}

func guess(l asf.Layout) string {
	switch l {
	case asf.FLV, asf.FramedMMS, asf.FramedPush:
		return " but " + l.String()
	}
	return ""
}

func (s *state) feed(v *sdk.Verdicts, format string) {
	v.Publish(s.point, format, abi.PublishPace)
	v.FeedThrough(file)
	s.phase = feeding
}

// ended: once fed, a loop goes on by itself and any other end is the host's to judge.
func (s *state) ended(e *abi.End, v *sdk.Verdicts) {
	switch {
	case s.phase != feeding && e.Offset == 0:
		s.close(v, s.name()+" is empty")
	case s.phase != feeding:
		s.close(v, s.name()+" is too short to be media")
	case e.Reason != abi.EndLoop:
		s.close(v, s.name()+" ended")
	}
}

// close ends the session with all that it holds; the reason reaches logs and status.
func (s *state) close(v *sdk.Verdicts, reason string) {
	if s.phase == closed {
		return
	}
	s.phase = closed
	v.Close(0, abi.CloseNow, reason)
}

func (s *state) name() string { return string(s.url) }
