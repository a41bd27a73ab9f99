package sdk

import "github.com/weir-media/weir/abi/v1"

// events holds one record of each kind, so that decoding allocates nothing.
type events struct {
	open      abi.Open
	state     abi.State
	connOpen  abi.ConnOpen
	data      abi.Data
	end       abi.End
	request   abi.HTTPRequest
	timer     abi.Timer
	dialed    abi.Dialed
	point     abi.Point
	published abi.Published
	packets   abi.Packets
	views     viewerEvents
	document  abi.DocumentRequest
	datagrams abi.Datagrams
	life      lifeEvents
}

type viewerEvents struct {
	attached abi.Attached
	detached abi.Detached
}

type lifeEvents struct {
	stop    abi.Stop
	refused abi.Refused
	start   abi.Start
	pack    abi.Package
}

func (e *events) record(op abi.Op) abi.Record {
	switch op {
	case abi.OpOpen:
		return &e.open
	case abi.OpState:
		return &e.state
	case abi.OpConnOpen:
		return &e.connOpen
	case abi.OpData:
		return &e.data
	case abi.OpEnd:
		return &e.end
	case abi.OpHTTPRequest:
		return &e.request
	case abi.OpTimer:
		return &e.timer
	case abi.OpDialed:
		return &e.dialed
	case abi.OpPoint:
		return &e.point
	case abi.OpPublished:
		return &e.published
	case abi.OpPackets:
		return &e.packets
	case abi.OpAttached:
		return &e.views.attached
	case abi.OpDetached:
		return &e.views.detached
	case abi.OpDocumentRequest:
		return &e.document
	case abi.OpStop:
		return &e.life.stop
	case abi.OpRefused:
		return &e.life.refused
	case abi.OpStart:
		return &e.life.start
	case abi.OpPackage:
		return &e.life.pack
	case abi.OpDatagrams:
		return &e.datagrams
	}
	return nil
}
