package main

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// known tells an encoder's owner what would have been taken.
const known = "for example: ffmpeg ... -f asf_stream, mpegts, webm or ogg -method POST URL"

const bodyless = "the request has no body; send the stream as the body of the request, " + known

// refuse answers in words and resets the connection: encoders that do not wait for 100
// Continue read no answer, only a reset stops them (RFC 9110 9.3.3 asks for the answer).
func (s *state) refuse(v *sdk.Verdicts, status int, text string) {
	s.phase = done
	v.RespondText(status, abi.ResponseReset, text)
}

// refused turns the host's refusal into an answer. Only PUBLISH is refused in the
// ordinary course of things.
func (s *state) refused(e *abi.Refused, v *sdk.Verdicts) {
	switch e.During { // the refused batch was an answer already: nobody is left to be told
	case abi.OpEnd, abi.OpStop, abi.OpRefused:
		s.phase = done
		return
	}
	name := sdk.Quote(s.point)
	switch e.Code {
	case abi.ESTATE:
		if e.During == abi.OpHTTPRequest { // ACCEPT of a request that brings nothing
			s.refuse(v, 400, bodyless)
			return
		}
		s.refuse(v, 503, "point "+name+" is stopped"+sdk.Because(e.Text)+"; push again once it runs")
	case abi.EBUSY:
		s.refuse(v, 409, "point "+name+" has a source already"+sdk.Because(e.Text)+"; stop that encoder first, or push to another point")
	case abi.ENOENT:
		s.refuse(v, 404, "point "+name+" cannot be fed"+sdk.Because(e.Text)+"; name a point whose source is push")
	case abi.EPERM, abi.EAUTH:
		s.refuse(v, 403, "pushing to point "+name+" is not granted"+sdk.Because(e.Text)+"; in plugins.yaml the point needs source: push, and grant: publish: of plugin push must name it")
	case abi.ELIMIT, abi.EAGAIN:
		s.refuse(v, 503, "the server takes no further source now"+sdk.Because(e.Text)+"; try again later")
	case abi.ENOSYS:
		s.refuse(v, 415, "no enabled plugin reads this format"+sdk.Because(e.Text)+"; enable one in plugins.yaml")
	default:
		s.refuse(v, 500, "the stream could not be taken"+sdk.Because(e.Text))
	}
}

// stopped: the point, the plugin or the server ends, or the format plugin gave up.
func (s *state) stopped(e *abi.Stop, v *sdk.Verdicts) {
	switch e.Reason {
	case abi.StopChild:
		s.refuse(v, 400, "the stream cannot be used"+sdk.Because(e.Text))
	case abi.StopPoint:
		s.refuse(v, 503, "point "+sdk.Quote(s.point)+" was stopped"+sdk.Because(e.Text)+"; push again once it runs")
	case abi.StopDisabled:
		s.refuse(v, 503, "pushing was disabled"+sdk.Because(e.Text)+"; enable it with: weir plugin enable push")
	default:
		s.refuse(v, 503, "the server is going down"+sdk.Because(e.Text)+"; try again later")
	}
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }
