package abi

import "iter"

// Datagrams brings datagrams of a flow, oldest first. What it brings counts as consumed.
type Datagrams struct {
	Head
	Offset    uint64        // of Bytes[0] since the flow's beginning
	Lost      uint64        // datagrams that found no room since the last DATAGRAMS
	Bytes     []byte        // the payloads, one after another
	Datagrams DatagramNotes // where they end
}

// Send sends one datagram to the peer of a flow, at most MaxDatagram bytes.
type Send struct {
	Conn   uint32
	Pieces Pieces
}

// Op names the record.
func (*Datagrams) Op() Op { return OpDatagrams }

func (r *Datagrams) visit(c *coder) {
	r.Head.visit(c)
	c.u64(&r.Offset)
	c.u64(&r.Lost)
	c.bytes(&r.Bytes)
	r.Datagrams.visit(c)
}

// Op names the record.
func (*Send) Op() Op { return OpSend }

func (r *Send) visit(c *coder) {
	c.u32(&r.Conn)
	r.Pieces.visit(c)
}

// DatagramNote describes one datagram of DATAGRAMS.
type DatagramNote struct {
	Size uint32 // bytes of its payload
}

func (d *DatagramNote) visit(c *coder) { c.u32(&d.Size) }

// DatagramNotes is a list of DatagramNote in the order of their arrival.
type DatagramNotes struct{ list }

// DatagramNoteSize is the encoded size of one note in its list, bytes.
const DatagramNoteSize = 4 + 4

// Reset empties a list that was built by Add and keeps its buffer.
func (l *DatagramNotes) Reset() { l.reset() }

// Add appends a note.
func (l *DatagramNotes) Add(d DatagramNote) {
	c := l.begin(DatagramNoteSize - 4)
	d.visit(&c)
}

// All walks the list.
func (l *DatagramNotes) All() iter.Seq[DatagramNote] {
	return func(yield func(DatagramNote) bool) {
		for rest := l.raw; ; {
			c, tail, ok := next(rest)
			if !ok {
				return
			}
			var d DatagramNote
			d.visit(&c)
			if c.failed || !yield(d) {
				return
			}
			rest = tail
		}
	}
}
