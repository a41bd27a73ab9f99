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
	dials     dialEvents
	point     abi.Point
	published abi.Published
	packets   abi.Packets
	views     viewerEvents
	document  abi.DocumentRequest
	datagrams abi.Datagrams
	life      lifeEvents
}

type dialEvents struct {
	dialed abi.Dialed
	reply  abi.HTTPReply
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
	logged  abi.Logged
}

// byOp finds the record of an op: an index costs a guest less than a call.
type byOp [abi.OpLogged + 1]abi.Record

func (e *events) byOp() (t byOp) {
	t[abi.OpOpen] = &e.open
	t[abi.OpState] = &e.state
	t[abi.OpConnOpen] = &e.connOpen
	t[abi.OpData] = &e.data
	t[abi.OpEnd] = &e.end
	t[abi.OpHTTPRequest] = &e.request
	t[abi.OpTimer] = &e.timer
	t[abi.OpDialed] = &e.dials.dialed
	t[abi.OpPoint] = &e.point
	t[abi.OpPublished] = &e.published
	t[abi.OpPackets] = &e.packets
	t[abi.OpAttached] = &e.views.attached
	t[abi.OpDetached] = &e.views.detached
	t[abi.OpDocumentRequest] = &e.document
	t[abi.OpStop] = &e.life.stop
	t[abi.OpRefused] = &e.life.refused
	t[abi.OpStart] = &e.life.start
	t[abi.OpPackage] = &e.life.pack
	t[abi.OpDatagrams] = &e.datagrams
	t[abi.OpHTTPReply] = &e.dials.reply
	t[abi.OpLogged] = &e.life.logged
	return t
}
