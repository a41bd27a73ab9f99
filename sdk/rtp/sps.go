package rtp

// bitReader reads the bits of a NAL unit's payload without its emulation prevention
// bytes (ITU-T H.264 7.3.1). Behind the end it reads zeros and remembers that.
type bitReader struct {
	b     []byte
	at    int  // byte
	bit   int  // of it, from the highest
	zeros int  // zero bytes before at
	plain bool // there are no such bytes
	over  bool
}

func (r *bitReader) one() uint32 {
	if r.at >= len(r.b) {
		r.over = true
		return 0
	}
	v := uint32(r.b[r.at]>>(7-r.bit)) & 1
	if r.bit++; r.bit == 8 {
		r.bit = 0
		r.step()
	}
	return v
}

// step goes to the next byte that counts.
func (r *bitReader) step() {
	if r.b[r.at] == 0 {
		r.zeros++
	} else {
		r.zeros = 0
	}
	r.at++
	if r.zeros >= 2 && !r.plain && r.at < len(r.b) && r.b[r.at] == 3 {
		r.zeros = 0
		r.at++
	}
}

func (r *bitReader) read(n int) (v uint32) {
	for range n {
		v = v<<1 | r.one()
	}
	return v
}

func (r *bitReader) flag() bool { return r.one() == 1 }

// ue reads an unsigned Exp-Golomb code (9.1), se (9.1.1) has the same length.
func (r *bitReader) ue() uint32 {
	n := 0
	for n < 32 && !r.over && r.one() == 0 {
		n++
	}
	if n == 32 || r.over {
		r.over = true
		return 0
	}
	return 1<<n - 1 + r.read(n)
}

func (r *bitReader) se() int32 {
	v := r.ue()
	if v&1 == 1 {
		return int32(v/2 + 1)
	}
	return -int32(v / 2)
}

// reorderOf reads from a sequence parameter set (H.264 7.3.2.1.1, E.1.1) how many
// pictures may precede one that is shown earlier: -1 if it does not say.
func reorderOf(sps []byte) int {
	if len(sps) < 4 {
		return -1
	}
	profile, constraints := sps[1], sps[2]
	r := &bitReader{b: sps[4:]}
	r.ue() // seq_parameter_set_id
	if isHigh(profile) {
		r.high()
	}
	r.ue() // log2_max_frame_num_minus4
	order := r.ue()
	r.order(order)
	references := r.ue()
	intra := isHigh(profile) && constraints&0x10 != 0 // A.2.8: constraint_set3_flag
	switch {
	case r.over:
		return -1
	case profile == 66 || order == 2 || references == 0 || intra: // A.2.1, 8.2.1
		return 0
	}
	r.flag() // gaps_in_frame_num_value_allowed_flag
	r.ue()   // pic_width_in_mbs_minus1
	r.ue()   // pic_height_in_map_units_minus1
	if !r.flag() {
		r.flag() // mb_adaptive_frame_field_flag
	}
	r.flag() // direct_8x8_inference_flag
	if r.flag() {
		for range 4 { // frame_crop
			r.ue()
		}
	}
	if !r.flag() || !r.usability() || r.over {
		return -1
	}
	for range 4 { // up to log2_max_mv_length_vertical
		r.ue()
	}
	n := r.ue()
	if r.over || n > MaxReorder {
		return -1
	}
	return int(n)
}

// isHigh tells the profiles whose parameter sets say more (7.3.2.1.1).
func isHigh(profile byte) bool {
	switch profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		return true
	}
	return false
}

// high reads what those have.
func (r *bitReader) high() {
	lists := 8
	if r.ue() == 3 { // chroma_format_idc
		r.flag()
		lists = 12
	}
	r.ue()
	r.ue()
	r.flag()
	if !r.flag() { // seq_scaling_matrix_present_flag
		return
	}
	for i := range lists {
		if !r.flag() {
			continue
		}
		if i < 6 {
			r.scaling(16)
		} else {
			r.scaling(64)
		}
	}
}

// scaling reads a list of 16 numbers, or 64 from the seventh on (7.3.2.1.1.1).
func (r *bitReader) scaling(size int) {
	last, next := int32(8), int32(8)
	for range size {
		if next != 0 {
			next = (last + r.se() + 256) % 256
		}
		if next != 0 {
			last = next
		}
		if r.over {
			return
		}
	}
}

// order reads what belongs to pic_order_cnt_type.
func (r *bitReader) order(kind uint32) {
	switch kind {
	case 0:
		r.ue()
	case 1:
		r.flag()
		r.ue()
		r.ue()
		for range min(r.ue(), 255) {
			r.ue()
		}
	}
}

// usability reads the VUI (E.1.1) up to motion_vectors_over_pic_boundaries_flag; false
// if it has no bitstream restriction.
func (r *bitReader) usability() bool {
	const extended = 255
	if r.flag() && r.read(8) == extended {
		r.read(32)
	}
	if r.flag() { // overscan
		r.flag()
	}
	if r.flag() { // video_signal_type
		r.read(4)
		if r.flag() {
			r.read(24)
		}
	}
	if r.flag() { // chroma_loc
		r.ue()
		r.ue()
	}
	if r.flag() { // timing
		r.read(32)
		r.read(32)
		r.flag()
	}
	nal := r.flag()
	if nal {
		r.hypothetical()
	}
	vcl := r.flag()
	if vcl {
		r.hypothetical()
	}
	if nal || vcl {
		r.flag()
	}
	r.flag() // pic_struct_present_flag
	if !r.flag() {
		return false
	}
	r.flag()
	return true
}

// hypothetical reads hrd_parameters (E.1.2).
func (r *bitReader) hypothetical() {
	n := min(r.ue(), 31) + 1
	r.read(8)
	for range n {
		r.ue()
		r.ue()
		r.flag()
	}
	r.read(20)
}
