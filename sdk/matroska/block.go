package matroska

import "encoding/binary"

// Block is the head of a block (RFC 9559 10.1). The zero value is none: tracks count from 1.
type Block struct {
	Track uint64
	Time  int16 // in ticks, from the cluster's timestamp
	Key   bool  // it can be decoded without others
}

// MaxBlockHead is how much of a SimpleBlock's body ParseSimpleBlock looks at, in bytes.
const MaxBlockHead = maxSizeSize + 3

// keyBit of a SimpleBlock's flags (RFC 9559 10.2).
const keyBit = 0x80

// ParseSimpleBlock reads the head of a SimpleBlock's body, of which MaxBlockHead bytes are
// enough.
func ParseSimpleBlock(body []byte) (Block, error) {
	k, flags, err := parseBlock(body)
	k.Key = flags&keyBit != 0
	return k, err
}

func parseBlock(body []byte) (k Block, flags byte, err error) {
	track, n, need := vint(body)
	if n == 0 || need > 0 || track == 0 || len(body) < n+3 {
		return Block{}, 0, ErrSyntax
	}
	k = Block{Track: track, Time: int16(binary.BigEndian.Uint16(body[n:]))}
	return k, body[n+2], nil
}

// ParseGroup reads a BlockGroup's whole body. Its block is a key if it refers to no other
// (RFC 9559 5.1.3.5.5).
func ParseGroup(body []byte) (k Block, err error) {
	k.Key = true
	for {
		e, b, rest, ok := Next(body)
		switch {
		case !ok && len(body) > 0, !ok && k.Track == 0:
			return Block{}, ErrSyntax
		case !ok:
			return k, nil
		case e.ID == IDBlock && k.Track == 0:
			head, _, err := parseBlock(b)
			if err != nil {
				return Block{}, err
			}
			k.Track, k.Time = head.Track, head.Time
		case e.ID == IDReferenceBlock:
			k.Key = false
		}
		body = rest
	}
}

// ParseGroupHead reads as much of a BlockGroup's body as tells its block's track and time,
// for who does not have the whole of it. Whether the block is a key stands at its end and
// is not told.
func ParseGroupHead(body []byte) (Block, error) {
	for {
		e, need, err := ParseElement(body)
		switch {
		case err != nil || need > 0 || e.Unknown:
			return Block{}, ErrSyntax
		case e.ID == IDBlock:
			k, _, err := parseBlock(body[e.Head:])
			return k, err
		case e.Size > uint64(len(body)-e.Head):
			return Block{}, ErrSyntax
		}
		body = body[e.Head+int(e.Size):]
	}
}
