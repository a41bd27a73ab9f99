package abi

import "encoding/binary"

// The methods below bind each record to its op and walk its fields in the order of
// the specification (spec.md §5, §6).

// Op names the record.
func (*Open) Op() Op { return OpOpen }

func (r *Open) visit(c *coder) {
	r.Head.visit(c)
	c.bytes(&r.Config)
	c.u32(&r.Outbox)
	c.bytes(&r.Features)
	c.bytes(&r.Version)
}

// Op names the record.
func (*State) Op() Op { return OpState }

func (r *State) visit(c *coder) {
	r.Head.visit(c)
	c.bytes(&r.Schema)
	c.bytes(&r.Blob)
}

// Op names the record.
func (*ConnOpen) Op() Op { return OpConnOpen }

func (r *ConnOpen) visit(c *coder) {
	r.Head.visit(c)
	c.bytes(&r.Listener)
	c.bytes(&r.Local)
	c.bytes(&r.Remote)
	c.u16(&r.TLS)
	c.u16((*uint16)(&r.Transport))
}

// Op names the record.
func (*Data) Op() Op { return OpData }

func (r *Data) visit(c *coder) {
	r.Head.visit(c)
	c.u64(&r.Offset)
	c.bytes(&r.Bytes)
	c.u16((*uint16)(&r.Flags))
}

// Op names the record.
func (*End) Op() Op { return OpEnd }

func (r *End) visit(c *coder) {
	r.Head.visit(c)
	c.u16((*uint16)(&r.Reason))
	c.u64(&r.Offset)
}

// Op names the record.
func (*HTTPRequest) Op() Op { return OpHTTPRequest }

func (r *HTTPRequest) visit(c *coder) {
	r.Head.visit(c)
	c.bytes(&r.Route)
	c.bytes(&r.Method)
	c.bytes(&r.Path)
	c.bytes(&r.Query)
	c.bytes(&r.Host)
	r.visitNumbers(c)
	c.bytes(&r.Listener)
	c.bytes(&r.Local)
	c.bytes(&r.Remote)
	r.Fields.visit(c)
	r.Point.visit(c)
	c.bytes(&r.User)
}

// Op names the record.
func (*Timer) Op() Op { return OpTimer }

func (r *Timer) visit(c *coder) {
	r.Head.visit(c)
	c.u32(&r.ID)
}

// Op names the record.
func (*Dialed) Op() Op { return OpDialed }

func (r *Dialed) visit(c *coder) {
	r.Head.visit(c)
	c.i32((*int32)(&r.Code))
	c.bytes(&r.Text)
	c.u64(&r.Size)
	c.bytes(&r.Local)
	c.bytes(&r.Remote)
}

// Op names the record.
func (*HTTPReply) Op() Op { return OpHTTPReply }

func (r *HTTPReply) visit(c *coder) {
	r.Head.visit(c)
	c.u16(&r.Status)
	c.u16((*uint16)(&r.Body))
	c.u64(&r.Length)
	r.Fields.visit(c)
}

// Op names the record.
func (*Point) Op() Op { return OpPoint }

func (r *Point) visit(c *coder) {
	r.Head.visit(c)
	r.Summary.visit(c)
}

// Op names the record.
func (*Published) Op() Op { return OpPublished }

func (r *Published) visit(c *coder) {
	r.Head.visit(c)
	c.bytes(&r.Point)
	c.bytes(&r.Rendition)
	c.u64(&r.SourceGeneration)
	c.u64(&r.NextSequence)
	c.i64(&r.NextTime)
	c.bytes(&r.Header)
}

// Op names the record.
func (*Packets) Op() Op { return OpPackets }

func (r *Packets) visit(c *coder) {
	r.Head.visit(c)
	r.Packets.visit(c)
}

// Op names the record.
func (*Attached) Op() Op { return OpAttached }

func (r *Attached) visit(c *coder) {
	r.Head.visit(c)
	c.u64(&r.Sequence)
	c.i64(&r.Time)
	c.u64(&r.Tag)
}

// Op names the record.
func (*Detached) Op() Op { return OpDetached }

func (r *Detached) visit(c *coder) {
	r.Head.visit(c)
	c.bytes(&r.Reason)
	c.u64(&r.Bytes)
	c.u64(&r.Packets)
}

// Op names the record.
func (*DocumentRequest) Op() Op { return OpDocumentRequest }

func (r *DocumentRequest) visit(c *coder) {
	r.Head.visit(c)
	c.bytes(&r.Format)
	r.Point.visit(c)
	r.Endpoints.visit(c)
	r.About.visit(c)
}

// Op names the record.
func (*Stop) Op() Op { return OpStop }

func (r *Stop) visit(c *coder) {
	r.Head.visit(c)
	c.u16((*uint16)(&r.Reason))
	c.i64(&r.Deadline)
	c.bytes(&r.Text)
}

// Op names the record.
func (*Refused) Op() Op { return OpRefused }

func (r *Refused) visit(c *coder) {
	r.Head.visit(c)
	c.u32(&r.Verdict)
	c.i32((*int32)(&r.Code))
	c.bytes(&r.Text)
	c.u16((*uint16)(&r.During))
	c.u16((*uint16)(&r.Limit))
}

// Op names the record.
func (*Start) Op() Op { return OpStart }

func (r *Start) visit(c *coder) {
	r.Head.visit(c)
	c.bytes(&r.Point)
	c.bytes(&r.URL)
}

// Op names the record.
func (*Package) Op() Op { return OpPackage }

func (r *Package) visit(c *coder) {
	r.Head.visit(c)
	c.bytes(&r.Point)
	c.bytes(&r.From)
	c.bytes(&r.To)
	c.u64(&r.Generation)
	c.bytes(&r.Header)
}

// Op names the record.
func (*SetState) Op() Op { return OpSetState }

func (r *SetState) visit(c *coder) {
	c.bytes(&r.Blob)
}

// Op names the record.
func (*Consume) Op() Op { return OpConsume }

func (r *Consume) visit(c *coder) {
	c.u32(&r.Conn)
	c.u64(&r.Offset)
}

// Op names the record.
func (*Retain) Op() Op { return OpRetain }

func (r *Retain) visit(c *coder) {
	c.u32(&r.Conn)
	c.u64(&r.Offset)
}

// Op names the record.
func (*Need) Op() Op { return OpNeed }

func (r *Need) visit(c *coder) {
	c.u32(&r.Conn)
	c.u32(&r.Bytes)
	c.bytes(&r.Delimiter)
}

// Op names the record.
func (*Write) Op() Op { return OpWrite }

func (r *Write) visit(c *coder) {
	c.u32(&r.Conn)
	r.Pieces.visit(c)
}

// Op names the record.
func (*Accept) Op() Op { return OpAccept }

func (r *Accept) visit(c *coder) {
	c.u32(&r.Conn)
}

// Op names the record.
func (*HTTPResponse) Op() Op { return OpHTTPResponse }

func (r *HTTPResponse) visit(c *coder) {
	c.u16(&r.Status)
	c.u16((*uint16)(&r.Flags))
	r.Fields.visit(c)
	r.Pieces.visit(c)
}

// Op names the record.
func (*Watch) Op() Op { return OpWatch }

func (r *Watch) visit(c *coder) {
	c.bytes(&r.Point)
}

// Op names the record.
func (*Attach) Op() Op { return OpAttach }

func (r *Attach) visit(c *coder) {
	c.u32(&r.Conn)
	c.bytes(&r.Point)
	c.bytes(&r.Rendition)
	c.u16((*uint16)(&r.Mode))
	c.u16((*uint16)(&r.OnLag))
	c.u16((*uint16)(&r.OnChange))
	c.u16((*uint16)(&r.OnEnd))
	c.u16(&r.Hold)
	c.u16(&r.WithHeader)
	c.i64(&r.Back)
	c.u64(&r.Seq)
	c.i64(&r.Time)
	c.bytes(&r.ChangeBytes)
	c.bytes(&r.EndBytes)
	r.Prefix.visit(c)
}

// Op names the record.
func (*Resume) Op() Op { return OpResume }

func (r *Resume) visit(c *coder) {
	c.u32(&r.Conn)
}

// Op names the record.
func (*Detach) Op() Op { return OpDetach }

func (r *Detach) visit(c *coder) {
	c.u32(&r.Conn)
}

// Op names the record.
func (*Publish) Op() Op { return OpPublish }

func (r *Publish) visit(c *coder) {
	c.bytes(&r.Point)
	c.bytes(&r.Format)
	c.u16((*uint16)(&r.Flags))
	c.bytes(&r.Template)
}

// Op names the record.
func (*Feed) Op() Op { return OpFeed }

func (r *Feed) visit(c *coder) {
	c.u32(&r.Conn)
	c.u16((*uint16)(&r.Flags))
	r.Pieces.visit(c)
}

// Op names the record.
func (*Header) Op() Op { return OpHeader }

func (r *Header) visit(c *coder) {
	r.Pieces.visit(c)
}

// Op names the record.
func (*Packet) Op() Op { return OpPacket }

// packetSize is the encoded size of what precedes a packet's Pieces.
const packetSize = 3*8 + 2 + 2 + 8

func (r *Packet) visit(c *coder) {
	if b := c.buf[c.pos:]; !c.reading && len(b) >= packetSize { // sources and packagers write nothing else
		binary.LittleEndian.PutUint64(b, uint64(r.PTS))
		binary.LittleEndian.PutUint64(b[8:], uint64(r.DTS))
		binary.LittleEndian.PutUint64(b[16:], uint64(r.Duration))
		binary.LittleEndian.PutUint16(b[24:], uint16(r.Flags))
		binary.LittleEndian.PutUint16(b[26:], r.Track)
		binary.LittleEndian.PutUint64(b[28:], r.Tag)
		c.pos += packetSize
		c.put(r.Pieces.raw)
		return
	}
	c.i64(&r.PTS)
	c.i64(&r.DTS)
	c.i64(&r.Duration)
	c.u16((*uint16)(&r.Flags))
	c.u16(&r.Track)
	c.u64(&r.Tag)
	r.Pieces.visit(c)
}

// Op names the record.
func (*Document) Op() Op { return OpDocument }

func (r *Document) visit(c *coder) {
	c.bytes(&r.Type)
	c.u32(&r.MaxAge)
	r.Pieces.visit(c)
}

// Op names the record.
func (*Dial) Op() Op { return OpDial }

func (r *Dial) visit(c *coder) {
	c.u32(&r.Conn)
	c.u16((*uint16)(&r.Flags))
	c.bytes(&r.URL)
	c.bytes(&r.Method)
	r.Fields.visit(c)
	c.i64(&r.Silence)
}

// Op names the record.
func (*SetTimer) Op() Op { return OpSetTimer }

func (r *SetTimer) visit(c *coder) {
	c.u32(&r.ID)
	c.i64(&r.After)
}

// Op names the record.
func (*Close) Op() Op { return OpClose }

func (r *Close) visit(c *coder) {
	c.u32(&r.Conn)
	c.u16((*uint16)(&r.Mode))
	c.bytes(&r.Reason)
}

// Op names the record.
func (*Metric) Op() Op { return OpMetric }

func (r *Metric) visit(c *coder) {
	c.bytes(&r.Name)
	c.u64(&r.Delta)
}

// Op names the record.
func (*Fail) Op() Op { return OpFail }

func (r *Fail) visit(c *coder) {
	c.i32((*int32)(&r.Code))
	c.bytes(&r.Text)
}
