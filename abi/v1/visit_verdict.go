package abi

import "encoding/binary"

// The methods below bind each verdict to its op and walk its fields in the order of the
// specification (spec.md §6).

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
