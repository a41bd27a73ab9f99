package sample

import (
	"bytes"
	"testing"
)

// maxSize keeps a clone of the repository and the binary small (chosen).
const maxSize = 2 << 20

func TestDemoIsSmallASF(t *testing.T) {
	b := Demo()
	if len(b) > maxSize {
		t.Errorf("demo.asf has %d bytes, more than %d", len(b), maxSize)
	}
	// ASF 3.1: a file begins with the header object's GUID.
	guid := []byte{0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11, 0xA6, 0xD9, 0x00, 0xAA, 0x00, 0x62, 0xCE, 0x6C}
	if !bytes.HasPrefix(b, guid) {
		t.Errorf("demo.asf begins with % x", b[:min(len(b), len(guid))])
	}
}

func TestAppendLeavesDemoAlone(t *testing.T) {
	b := Demo()
	if cap(b) != len(b) {
		t.Fatalf("capacity %d, length %d: an append would write into the shared array", cap(b), len(b))
	}
}
