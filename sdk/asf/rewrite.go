package asf

import "bytes"

const (
	broadcastFlags = 1 // ASF 3.2: broadcast set, seekable clear
)

// Broadcast appends to dst the header made fit for a live broadcast: the broadcast
// flag alone is set; file size, packet count, both durations and the Data Object's
// packet count are zero; the Data Object's size is 50; fileID stands in both places
// that have one (ASF 3.2, 5.1). Everything else, and the length, stays. Header may be
// followed by other bytes, which are not copied. If it does not parse, dst comes back
// as it was.
func Broadcast(dst, header []byte, fileID [16]byte) []byte {
	h, err := ParseHeader(header)
	if err != nil {
		return dst
	}
	at := len(dst)
	dst = append(dst, header[:h.Size]...)
	props := dst[at+h.props:]
	copy(props[24:40], fileID[:])
	clear(props[40:48]) // file size
	clear(props[56:80]) // packet count, play duration, send duration
	le.PutUint32(props[88:], broadcastFlags)
	data := dst[at+h.Size-DataHeadSize:]
	le.PutUint64(data[16:], DataHeadSize)
	copy(data[24:40], fileID[:])
	clear(data[40:48]) // total packets
	return dst
}

// Compatible reports whether a stream with header after may continue a rendition whose
// players hold header before. Both must parse, agree in packet size and preroll, and
// have the same objects in the same order, byte for byte, except:
//
//   - of the File Properties only packet size and preroll count: file id, sizes,
//     counts, dates, durations, flags and maximum bit rate may differ;
//   - of Extended Stream Properties, start and end time and the six bit rate and
//     buffer fields may differ;
//   - content descriptions, codec list, bit rate list, padding, markers, script
//     commands, branding, signature, metadata library, language list and index
//     parameters may differ, come or go, since no decoder reads them.
//
// The Metadata Object counts, because it carries the pixel aspect ratio; so does
// every object unknown here, because it may concern encryption.
func Compatible(before, after []byte) bool {
	a, err := ParseHeader(before)
	if err != nil {
		return false
	}
	b, err := ParseHeader(after)
	if err != nil || a.PacketSize != b.PacketSize || a.Preroll != b.Preroll {
		return false
	}
	x := walk{b: before[:a.Size-DataHeadSize], at: headerFixed}
	y := walk{b: after[:b.Size-DataHeadSize], at: headerFixed}
	for {
		more := x.nextVital()
		if y.nextVital() != more {
			return false
		}
		if !more {
			return true
		}
		if !sameObject(x.object(), y.object()) {
			return false
		}
	}
}

// nextVital moves to the next object that a decoder depends on, File Properties
// aside.
func (w *walk) nextVital() bool {
	for w.next() {
		if !w.is(&guidFileProps) && !w.harmless() {
			return true
		}
	}
	return false
}

func (w *walk) harmless() bool {
	for i := range guidHarmless {
		if w.is(&guidHarmless[i]) {
			return true
		}
	}
	return false
}

// sameObject compares two objects of the walk.
func sameObject(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	if guid(a[:16]) == guidExtStream && guid(b[:16]) == guidExtStream {
		// ASF 4.1: 24 start and end time, 40 bit rates and buffers, 64 the rest.
		return bytes.Equal(a[64:], b[64:])
	}
	return bytes.Equal(a, b)
}
