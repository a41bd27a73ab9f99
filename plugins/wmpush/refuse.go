package main

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// refusal is an answer that ends the attempt.
type refusal struct {
	status int
	name   string // the Windows Media error, with its number; empty for none
	words  string
}

// Windows Media's names for what went wrong (wire digest §7.2).
const (
	errInvalidName     = "NS_E_INVALID_PUBLISHING_POINT_NAME (0xC00D1455)"
	errStopped         = "NS_E_PUBLISHING_POINT_STOPPED (0xC00D145E)"
	errRemoved         = "NS_E_PUBLISHING_POINT_REMOVED (0xC00D145A)"
	errInvalidTemplate = "NS_E_INVALID_PUSH_TEMPLATE (0xC00D151A)"
	errInvalidPush     = "NS_E_INVALID_PUSH_PUBLISHING_POINT (0xC00D151B)"
	errDuplicate       = "NS_E_PUSH_DUPLICATE_PUBLISHING_POINT_NAME (0xC00D1520)"
	errNoConnections   = "NS_E_NO_NEW_CONNECTIONS (0xC00D151D)"
	errNoAccess        = "NS_E_SERVER_ACCESSDENIED (0xC00D2EFB)"
	errNoSession       = "NS_E_SESSION_NOT_FOUND (0xC00D2EF3)"
	errUnavailable     = "NS_E_SERVER_UNAVAILABLE (0xC00D2EE6)"
	errTimeout         = "NS_E_TIMEOUT (0xC00D0013)"
	errNoSourcePlugin  = "NS_E_SOURCE_PLUGIN_NOT_FOUND (0xC00D157E)"
)

// Answers' header fields of MS-WMHTTP 4.8; clients look at the Server's name (MS-WMHTTP
// 3.1.5.2).
const (
	serverName = "Cougar/9.6.7600.16385"
	supported  = "com.microsoft.wm.srvppair, com.microsoft.wm.sswitch, com.microsoft.wm.predstrm, com.microsoft.wm.fastcache, com.microsoft.wm.startupprofile"
)

// head gives the header fields of every answer that goes well.
func (p *plugin) head(v *sdk.Verdicts) *sdk.Fields {
	f := v.Fields()
	f.Add("Server", serverName)
	f.Add("Pragma", "no-cache, timeout="+strconv.FormatInt(p.timeoutMs, 10))
	f.Add("Supported", supported)
	return f
}

// judge tells whether an encoder can have the point, and why not. Whether it is granted
// shows when it publishes.
func judge(point *abi.PointSummary) (no refusal, ok bool) {
	name := sdk.Quote(point.Name)
	switch {
	case point.State == abi.PointUnknown && len(point.Template) == 0:
		return refusal{404, errInvalidName, "no publishing point is " + name + ", and no template in plugins.yaml fits the name"}, false
	case point.State == abi.PointUnknown:
		return refusal{}, true
	case point.Push == 0:
		return refusal{403, errInvalidPush, "publishing point " + name + " is not for pushing"}, false
	case point.State == abi.PointDraining:
		return refusal{503, errStopped, "publishing point " + name + " is being stopped" + sdk.Because(point.Reason)}, false
	case point.State == abi.PointStopped:
		return refusal{503, errStopped, "publishing point " + name + " is stopped" + sdk.Because(point.Reason)}, false
	case point.HasSource != 0:
		return refusal{409, errDuplicate, "publishing point " + name + " has a source already"}, false
	}
	return refusal{}, true
}

// refuse answers in words, if a request waits for it, and ends the session. An encoder in
// the middle of its body may read no answer; a reset it notices (wire digest §0.11).
func (s *state) refuse(v *sdk.Verdicts, no refusal) {
	flags := abi.ResponseClose
	switch s.phase {
	case ready:
		s.leave(v, no.words)
		return
	case streaming:
		flags = abi.ResponseReset
	}
	respond(v, no, flags)
	s.last(v)
}

// turnAway answers a request, and keeps the session that it has joined.
func (s *state) turnAway(v *sdk.Verdicts, no refusal) { respond(v, no, abi.ResponseClose) }

func respond(v *sdk.Verdicts, no refusal, flags abi.ResponseFlags) {
	f := v.Fields()
	f.Add("Server", serverName)
	f.Add("Cache-Control", "no-cache")
	f.Add("Content-Type", "text/plain; charset=utf-8")
	if no.status == 503 {
		f.Add("Retry-After", retryAfter)
	}
	p := v.Pieces()
	if no.name != "" {
		p.Text(no.name + ": ")
	}
	p.Text(no.words + "\n")
	v.Respond(no.status, flags, f, p)
}

// retryAfter is in seconds: as the manifest's refusal.
const retryAfter = "5"

// refused turns the host's refusal into an answer.
func (p *plugin) refused(s *state, e *abi.Refused, v *sdk.Verdicts) {
	switch {
	case e.During == abi.OpRefused || e.During == abi.OpStop || e.During == abi.OpTimer: // an answer was refused: nobody is left to be told
		s.leave(v, "refused")
	case s.phase == fresh && e.Code == abi.ENOENT: // JOIN_KEY
		s.refuse(v, refusal{404, errNoSession, "no push session has this push-id, or it has ended; send a PushSetup"})
	case s.phase == fresh && e.Code == abi.EBUSY:
		s.refuse(v, refusal{409, errDuplicate, "a PushStart of this push session is under way"})
	case s.phase == setup && e.Code == abi.EBUSY && !s.retried: // BIND_KEY: another session has the push-id
		s.retried = true
		p.answerSetup(s, e.Entropy, v)
	default:
		s.refuse(v, s.reply(e))
	}
}

// reply words what the host refuses: most often that the point is fed.
func (s *state) reply(e *abi.Refused) refusal {
	name := sdk.Quote(s.point)
	switch e.Code {
	case abi.EBUSY:
		return refusal{409, errDuplicate, "publishing point " + name + " has a source already" + sdk.Because(e.Text)}
	case abi.ENOENT:
		return refusal{404, errInvalidName, "publishing point " + name + " cannot be fed" + sdk.Because(e.Text)}
	case abi.EINVAL:
		return refusal{404, errInvalidTemplate, "publishing point " + name + " cannot be made" + sdk.Because(e.Text)}
	case abi.EPERM, abi.EAUTH:
		return refusal{403, errNoAccess, "pushing to publishing point " + name + " is not granted" + sdk.Because(e.Text)}
	case abi.ESTATE:
		return refusal{503, errStopped, "publishing point " + name + " is stopped" + sdk.Because(e.Text)}
	case abi.ELIMIT, abi.EAGAIN:
		return refusal{503, errNoConnections, "the server takes no further source now" + sdk.Because(e.Text)}
	case abi.ENOSYS:
		return refusal{503, errNoSourcePlugin, "no enabled plugin reads ASF" + sdk.Because(e.Text)}
	}
	return refusal{500, errUnavailable, "the stream could not be taken" + sdk.Because(e.Text)}
}

// stopped: the point, the plugin or the server ends, or the format plugin gave up.
func (s *state) stopped(e *abi.Stop, v *sdk.Verdicts) {
	switch e.Reason {
	case abi.StopChild:
		s.refuse(v, refusal{400, "", "the stream cannot be used" + sdk.Because(e.Text)})
	case abi.StopPoint:
		s.refuse(v, refusal{503, errRemoved, "publishing point " + sdk.Quote(s.point) + " was stopped" + sdk.Because(e.Text)})
	case abi.StopDisabled:
		s.refuse(v, refusal{503, errUnavailable, "pushing was disabled" + sdk.Because(e.Text)})
	default:
		s.refuse(v, refusal{503, errUnavailable, "the server is going down" + sdk.Because(e.Text)})
	}
}
