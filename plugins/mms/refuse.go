package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// Results: what an answer's first field holds. The numbers are those of MS-ERREF and
// nserror.h (wire digest §7.2).
const (
	succeeded       = 0
	another         = 1          // S_FALSE: this entry has ended, another follows
	errNotFound     = 0x80070002 // ERROR_FILE_NOT_FOUND
	errDenied       = 0x80070005 // ERROR_ACCESS_DENIED
	errNotSupported = 0x80070032 // ERROR_NOT_SUPPORTED
	errState        = 0x8007139F // ERROR_INVALID_STATE
	errBusy         = 0xC00D000E // NS_E_NETWORK_BUSY
	errBandwidth    = 0xC00D002C // NS_E_INSUFFICIENT_BANDWIDTH
	errMaxBitrate   = 0xC00D0047 // NS_E_MAX_BITRATE
	errFull         = 0xC00D0049 // NS_E_MAX_CLIENTS
	errWrongType    = 0xC00D1452 // NS_E_WRONG_PUBLISHING_POINT_TYPE
	errStopped      = 0xC00D145E // NS_E_PUBLISHING_POINT_STOPPED
	errMismatch     = 0xC00D151F // NS_E_HEADER_MISMATCH
)

// judge tells whether a player can have the point, and why not.
func judge(p *abi.PointSummary) (f facts, no uint32) {
	switch {
	case p.State == abi.PointUnknown:
		return f, errNotFound
	case p.State != abi.PointLive:
		return f, errStopped
	}
	r, found := p.Renditions.Find(rendition)
	switch {
	case found && r.Generation > 0:
	case carriesOther(p):
		return f, errWrongType
	default:
		return f, errStopped
	}
	f, ok := factsOf(r.Header)
	switch {
	case !ok: // longer than what players take: 16 KiB is also libmms's limit (wire digest §1.5)
		return facts{}, errNotSupported
	case p.IsFull():
		return f, errFull
	case r.Limit != abi.LimitNone:
		return f, limitResult(r.Limit)
	}
	return f, succeeded
}

// limitResult is Windows Media's number for what a limit says.
func limitResult(l abi.Limit) uint32 {
	switch l.Kind() {
	case abi.LimitBandwidth:
		return errBandwidth
	case abi.LimitPerViewer:
		return errMaxBitrate
	case abi.LimitJoins:
		return errBusy
	}
	return errFull
}

// carriesOther tells whether the point has renditions, but none from which this plugin
// will make its own.
func carriesOther(p *abi.PointSummary) bool {
	other := false
	for r := range p.Renditions.All() {
		switch sdk.String(r.Name) {
		case source, rendition:
			return false
		}
		other = true
	}
	return other
}

// refused answers a player after the host has refused to do what it asked for.
func (s *session) refused(e *abi.Refused, v *sdk.Verdicts) {
	no := uint32(errStopped)
	switch e.Code {
	case abi.ENOENT:
		no = errNotFound
	case abi.EPERM, abi.EAUTH:
		no = errDenied
	case abi.ELIMIT:
		no = limitResult(e.Limit)
	}
	switch {
	case e.During == abi.OpData && s.phase == asking:
		s.phase = connected
		s.refuseFile(v, no)
		s.finish(v)
	case e.During == abi.OpData && s.phase == starting:
		s.refuseStart(v, no)
	default:
		s.close(v, abi.CloseNow, "refused: "+sdk.String(e.Text))
	}
}
