package mpegts

// Patch is a run of bytes that replaces those at offset At of a packet.
type Patch struct {
	At int

	n   uint8
	raw [5]byte
}

// Bytes returns the replacement, as a view of p.
func (p *Patch) Bytes() []byte { return p.raw[:p.n] }

// Patches holds what Rebase changes in one packet. The zero value is empty; it is
// meant to be reused.
type Patches struct {
	n    int
	list [4]Patch // PCR, OPCR, PTS, DTS
}

// List returns the patches in ascending order of At, as a view of p. They do not overlap.
func (p *Patches) List() []Patch { return p.list[:p.n] }

func (p *Patches) add(at int) *Patch {
	q := &p.list[p.n]
	p.n++
	q.At, q.n = at, 5
	return q
}

// Rebase computes the patches that move the times in a packet by delta ticks of 90 kHz:
// PCR, OPCR, PTS and DTS, modulo 2^33. Fields that do not lie wholly in this packet,
// and scrambled ones, stay. A packet without times gives no patches.
func Rebase(p []byte, delta int64, out *Patches) {
	out.n = 0
	var k packet
	if !k.open(p) || k.pid == nullPID {
		return
	}
	for _, at := range [...]int{k.pcr, k.opcr} {
		if at != 0 {
			out.add(at).clock(k.b[at:], delta)
		}
	}
	if k.pid < 0x10 || !k.clear() { // 2.4.3.3: PIDs that are reserved for tables
		return
	}
	head, ok := k.pes()
	if !ok {
		return
	}
	for _, at := range [...]int{head.pts, head.dts} {
		if at != 0 {
			out.add(at).stamp(k.b[at:], delta)
		}
	}
}

// clock sets the patch to the moved base of the PCR in b (2.4.3.5); its extension and
// the reserved bits stay.
func (p *Patch) clock(b []byte, delta int64) {
	v := (clock(b) + delta) & (wrap - 1)
	p.raw = [5]byte{byte(v >> 25), byte(v >> 17), byte(v >> 9), byte(v >> 1), byte(v<<7) | b[4]&0x7F}
}

// stamp sets the patch to the moved PTS or DTS in b (2.4.3.7); prefix and markers stay.
func (p *Patch) stamp(b []byte, delta int64) {
	v := (stamp(b) + delta) & (wrap - 1)
	p.raw = [5]byte{b[0]&0xF1 | byte(v>>29)&0x0E, byte(v >> 22), byte(v>>14) | 1, byte(v >> 7), byte(v<<1) | 1}
}

// ApplyPatches writes patches into the packet they were made for.
func ApplyPatches(p []byte, list []Patch) {
	for i := range list {
		copy(p[list[i].At:], list[i].Bytes())
	}
}
