package asf

// Patch is four bytes that replace those at offset At of a packet.
type Patch struct {
	At    int
	Bytes [4]byte
}

// Patches holds what Rebase changes in one packet: the send time and each payload's
// presentation time. The zero value is empty; it is meant to be reused.
type Patches struct {
	n    int
	list [1 + MaxPayloads]Patch
}

// List returns the patches in ascending order of At, as a view of p. They do not
// overlap.
func (p *Patches) List() []Patch { return p.list[:p.n] }

func (p *Patches) add(at int, v uint32) {
	q := &p.list[p.n]
	q.At = at
	le.PutUint32(q.Bytes[:], v)
	p.n++
}

// Rebase computes the patches that move all times of a parsed packet by delta ms.
// Times are 32 bits wide and wrap. It returns ErrNarrow if a time is stored in fewer
// bytes, as only compressed payloads may (ASF 5.2.3.3); the patches for all other
// times are in out even then.
func Rebase(p *Packet, delta int64, out *Patches) error {
	out.n = 0
	out.add(p.SendTimeAt, p.SendTime+uint32(delta))
	var err error
	for i := range p.List() {
		l := &p.Payloads[i]
		switch {
		case l.TimeAt != 0:
			out.add(l.TimeAt, l.Time+uint32(delta))
		case l.HasTime:
			err = ErrNarrow
		}
	}
	return err
}

// ApplyPatches writes patches into the packet they were made for.
func ApplyPatches(packet []byte, list []Patch) {
	for i := range list {
		copy(packet[list[i].At:], list[i].Bytes[:])
	}
}

// Extend returns the time in ms that has the low 32 bits ms and lies nearest to last,
// so that send and presentation times go on behind their wrap after 49 days.
func Extend(last int64, ms uint32) int64 { return last + int64(int32(ms-uint32(last))) }
