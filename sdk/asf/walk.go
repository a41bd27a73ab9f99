package asf

// walk goes through a run of ASF objects, and through those inside a Header
// Extension as if they stood beside it.
type walk struct {
	b     []byte
	at    int  // next object
	start int  // current object
	end   int  // of the current object
	inner int  // end of the Header Extension that is being walked, 0 outside
	flat  bool // a Header Extension is an object like any other
	bad   bool
}

// next moves to the next object; it returns false at the end, with bad set when the
// sizes do not fit.
func (w *walk) next() bool {
	for !w.bad && w.at < len(w.b) {
		limit := len(w.b)
		if w.inner == w.at {
			w.inner = 0
		}
		if w.inner != 0 {
			limit = w.inner
		}
		rest := w.b[w.at:limit]
		if len(rest) < objectHead {
			w.bad = true
			break
		}
		size := le.Uint64(rest[16:])
		if size < objectHead || size > uint64(len(rest)) {
			w.bad = true
			break
		}
		w.start, w.end = w.at, w.at+int(size)
		if w.flat || w.inner != 0 || !w.is(&guidExtension) {
			w.at = w.end
			return true
		}
		// ASF 3.4: the data size field repeats what the object size says.
		if size < extFixed || uint64(le.Uint32(rest[42:])) != size-extFixed {
			w.bad = true
			break
		}
		w.at += extFixed
		w.inner = w.end
	}
	return false
}

// object returns the current object with its head.
func (w *walk) object() []byte { return w.b[w.start:w.end] }

// is reports whether the current object has the GUID g.
func (w *walk) is(g *guid) bool { return string(w.b[w.start:w.start+16]) == string(g[:]) }
