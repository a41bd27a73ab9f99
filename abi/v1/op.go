package abi

// Op names a record. Events have the top bit of the low byte clear (1 to 127),
// verdicts have it set (128 to 255).
type Op uint16

// Events: what the host tells a plugin.
const (
	OpOpen            Op = 1
	OpState           Op = 2
	OpConnOpen        Op = 3
	OpData            Op = 4
	OpEnd             Op = 5
	OpHTTPRequest     Op = 6
	OpTimer           Op = 7
	OpDialed          Op = 8
	OpPoint           Op = 9
	OpPublished       Op = 10
	OpPackets         Op = 11
	OpAttached        Op = 12
	OpDetached        Op = 13
	OpDocumentRequest Op = 14
	OpStop            Op = 15
	OpRefused         Op = 16
	OpStart           Op = 17
	OpPackage         Op = 18
	OpDatagrams       Op = 19
	OpHTTPReply       Op = 20
	OpLogged          Op = 22
)

// Verdicts: what a plugin answers.
const (
	OpSetState     Op = 128
	OpConsume      Op = 129
	OpRetain       Op = 130
	OpNeed         Op = 131
	OpWrite        Op = 132
	OpAccept       Op = 133
	OpHTTPResponse Op = 134
	OpWatch        Op = 135
	OpAttach       Op = 136
	OpResume       Op = 137
	OpDetach       Op = 138
	OpPublish      Op = 139
	OpFeed         Op = 140
	OpHeader       Op = 141
	OpPacket       Op = 142
	OpDocument     Op = 143
	OpDial         Op = 144
	OpSetTimer     Op = 145
	OpClose        Op = 146
	OpMetric       Op = 147
	OpFail         Op = 148
	OpSend         Op = 149
	OpBindKey      Op = 150
	OpJoinKey      Op = 151
	OpLogin        Op = 152
)

// Critical marks a record that must not be skipped by a reader that does not know
// its op: such a frame fails with ENOSYS.
const Critical uint16 = 1

// IsEvent reports whether the op lies in the range of events.
func (o Op) IsEvent() bool { return o > 0 && o < 128 }

// IsVerdict reports whether the op lies in the range of verdicts.
func (o Op) IsVerdict() bool { return o >= 128 && o < 256 }

// String gives the record's name in the specification, or "OP_n".
func (o Op) String() string {
	if e := lookup(o); e != nil {
		return e.name
	}
	digits := [5]byte{}
	i := len(digits)
	for n := uint16(o); ; n /= 10 {
		i--
		digits[i] = byte('0' + n%10)
		if n < 10 {
			return "OP_" + string(digits[i:])
		}
	}
}

type entry struct {
	op   Op
	name string
	make func() Record
}

// table is the one list of records; spec.md §5 and §6 follow its order.
var table = [...]entry{
	{OpOpen, "OPEN", func() Record { return new(Open) }},
	{OpState, "STATE", func() Record { return new(State) }},
	{OpConnOpen, "CONN_OPEN", func() Record { return new(ConnOpen) }},
	{OpData, "DATA", func() Record { return new(Data) }},
	{OpEnd, "END", func() Record { return new(End) }},
	{OpHTTPRequest, "HTTP_REQUEST", func() Record { return new(HTTPRequest) }},
	{OpTimer, "TIMER", func() Record { return new(Timer) }},
	{OpDialed, "DIALED", func() Record { return new(Dialed) }},
	{OpPoint, "POINT", func() Record { return new(Point) }},
	{OpPublished, "PUBLISHED", func() Record { return new(Published) }},
	{OpPackets, "PACKETS", func() Record { return new(Packets) }},
	{OpAttached, "ATTACHED", func() Record { return new(Attached) }},
	{OpDetached, "DETACHED", func() Record { return new(Detached) }},
	{OpDocumentRequest, "DOCUMENT_REQUEST", func() Record { return new(DocumentRequest) }},
	{OpStop, "STOP", func() Record { return new(Stop) }},
	{OpRefused, "REFUSED", func() Record { return new(Refused) }},
	{OpStart, "START", func() Record { return new(Start) }},
	{OpPackage, "PACKAGE", func() Record { return new(Package) }},
	{OpDatagrams, "DATAGRAMS", func() Record { return new(Datagrams) }},
	{OpHTTPReply, "HTTP_REPLY", func() Record { return new(HTTPReply) }},
	{OpLogged, "LOGGED", func() Record { return new(Logged) }},
	{OpSetState, "SET_STATE", func() Record { return new(SetState) }},
	{OpConsume, "CONSUME", func() Record { return new(Consume) }},
	{OpRetain, "RETAIN", func() Record { return new(Retain) }},
	{OpNeed, "NEED", func() Record { return new(Need) }},
	{OpWrite, "WRITE", func() Record { return new(Write) }},
	{OpAccept, "ACCEPT", func() Record { return new(Accept) }},
	{OpHTTPResponse, "HTTP_RESPONSE", func() Record { return new(HTTPResponse) }},
	{OpWatch, "WATCH", func() Record { return new(Watch) }},
	{OpAttach, "ATTACH", func() Record { return new(Attach) }},
	{OpResume, "RESUME", func() Record { return new(Resume) }},
	{OpDetach, "DETACH", func() Record { return new(Detach) }},
	{OpPublish, "PUBLISH", func() Record { return new(Publish) }},
	{OpFeed, "FEED", func() Record { return new(Feed) }},
	{OpHeader, "HEADER", func() Record { return new(Header) }},
	{OpPacket, "PACKET", func() Record { return new(Packet) }},
	{OpDocument, "DOCUMENT", func() Record { return new(Document) }},
	{OpDial, "DIAL", func() Record { return new(Dial) }},
	{OpSetTimer, "SET_TIMER", func() Record { return new(SetTimer) }},
	{OpClose, "CLOSE", func() Record { return new(Close) }},
	{OpMetric, "METRIC", func() Record { return new(Metric) }},
	{OpFail, "FAIL", func() Record { return new(Fail) }},
	{OpSend, "SEND", func() Record { return new(Send) }},
	{OpBindKey, "BIND_KEY", func() Record { return new(BindKey) }},
	{OpJoinKey, "JOIN_KEY", func() Record { return new(JoinKey) }},
	{OpLogin, "LOGIN", func() Record { return new(Login) }},
}

func lookup(o Op) *entry {
	for i := range table {
		if table[i].op == o {
			return &table[i]
		}
	}
	return nil
}

// Ops lists every op of this version in the order of the specification. The slice
// is the caller's.
func Ops() []Op {
	ops := make([]Op, len(table))
	for i := range table {
		ops[i] = table[i].op
	}
	return ops
}

// New returns an empty record for op, or nil for an op that this version does not
// know. It allocates; hot paths keep their own record and call Reader.Decode.
func New(o Op) Record {
	if e := lookup(o); e != nil {
		return e.make()
	}
	return nil
}
