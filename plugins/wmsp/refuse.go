package main

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// refusal is an answer that ends the attempt: every player gives up on a status of 400
// or more (wire digest §1.4).
type refusal struct {
	status int
	name   string // the Windows Media error, with its number; empty for none
	words  string
}

// Windows Media's names for what went wrong (wire digest §7.2).
const (
	errInvalidName = "NS_E_INVALID_PUBLISHING_POINT_NAME (0xC00D1455)"
	errStopped     = "NS_E_PUBLISHING_POINT_STOPPED (0xC00D145E)"
	errMaxClients  = "NS_E_MAX_CLIENTS (0xC00D0049)"
	errWrongType   = "NS_E_WRONG_PUBLISHING_POINT_TYPE (0xC00D1452)"
	errMaxBitrate  = "NS_E_MAX_BITRATE (0xC00D0047)"
	errBandwidth   = "NS_E_INSUFFICIENT_BANDWIDTH (0xC00D002C)"
	errBusy        = "NS_E_NETWORK_BUSY (0xC00D000E)"
	errNoAccess    = "NS_E_SERVER_ACCESSDENIED (0xC00D2EFB)"
)

// judge tells whether a player can have the point, and why not.
func judge(point *abi.PointSummary, path []byte) (no refusal, ok bool) {
	name := strconv.Quote(sdk.String(point.Name))
	switch {
	case point.State == abi.PointUnknown:
		return refusal{404, errInvalidName, "no publishing point for " + strconv.Quote(sdk.String(path))}, false
	case point.State == abi.PointStopped && len(point.Reason) > 0:
		return refusal{503, errStopped, "publishing point " + name + " is stopped: " + sdk.String(point.Reason)}, false
	case point.State != abi.PointLive:
		return refusal{503, errStopped, "publishing point " + name + " is " + point.State.String() + ", not live"}, false
	case point.IsFull():
		return refusal{503, errMaxClients, "publishing point " + name + " has its " +
			strconv.FormatUint(uint64(point.MaxViewers), 10) + " viewers"}, false
	}
	if r, found := point.Renditions.Find(rendition); found && r.Generation > 0 {
		if r.Limit != abi.LimitNone {
			return refusal{503, limitName(r.Limit), "publishing point " + name + sdk.LimitWords(r.Limit)}, false
		}
		return refusal{}, true
	}
	if carriesOther(point) {
		return refusal{404, errWrongType, "publishing point " + name + " carries no ASF"}, false
	}
	return refusal{503, errStopped, "publishing point " + name + " has no header yet"}, false
}

// limitName is Windows Media's name for what a limit says.
func limitName(l abi.Limit) string {
	switch l.Kind() {
	case abi.LimitBandwidth:
		return errBandwidth
	case abi.LimitPerViewer:
		return errMaxBitrate
	case abi.LimitJoins:
		return errBusy
	}
	return errMaxClients
}

// carriesOther tells whether the point has renditions, but none from which this plugin
// will make its own.
func carriesOther(point *abi.PointSummary) bool {
	other := false
	for r := range point.Renditions.All() {
		switch sdk.String(r.Name) {
		case source, rendition:
			return false
		}
		other = true
	}
	return other
}

// retryAfter is in seconds: about as long as an encoder takes to come back (chosen).
const retryAfter = "2"

func refuse(v *sdk.Verdicts, no refusal) {
	f := head(v)
	f.Add("Content-Type", "text/plain; charset=utf-8")
	if no.status == 503 {
		f.Add("Retry-After", retryAfter)
	}
	p := v.Pieces()
	if no.name != "" {
		p.Text(no.name + ": ")
	}
	p.Text(no.words + "\n")
	v.Respond(no.status, abi.ResponseClose, f, p)
}

// refused answers a player after the host has refused to answer it as planned.
func refused(s *session, e *abi.Refused, v *sdk.Verdicts) {
	s.doing = nothing
	if e.During != abi.OpHTTPRequest {
		v.Close(0, abi.CloseNow, "refused")
		return
	}
	no := refusal{503, errStopped, sdk.String(e.Text)}
	switch e.Code {
	case abi.ENOENT:
		no.status, no.name = 404, errInvalidName
	case abi.EPERM, abi.EAUTH:
		no.status, no.name = 403, errNoAccess
	case abi.ELIMIT:
		no.name = limitName(e.Limit)
	}
	refuse(v, no)
}
