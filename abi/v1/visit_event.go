package abi

// The methods below bind each event to its op and walk its fields in the order of the
// specification (spec.md §5); visit_verdict.go does so for verdicts (spec.md §6).

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
