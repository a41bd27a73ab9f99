package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"
)

const (
	// nonceLife is how long a nonce is good (chosen: a player that seeks or comes back asks
	// anew after it, without bothering its user).
	nonceLife = 5 * time.Minute
	// maxNonces is how many nonces in use are remembered (chosen: 13 logins a second).
	// Beyond it the oldest are forgotten, and are stale from then on.
	maxNonces = 4096
	// nonceStamp, nonceSalt and nonceMAC are the bytes of a nonce.
	nonceStamp, nonceSalt, nonceMAC = 8, 4, 16
	// ncWindow is how far counts may come out of order: a client with several connections.
	ncWindow = 64
)

var nonceText = base64.RawURLEncoding.Strict()

// nonces gives nonces out and remembers nothing of them until they were used well: each
// carries its time and a code that only this server can make.
type nonces struct {
	key [32]byte

	mu      sync.Mutex
	used    map[nonce]*counted
	order   []nonce // of used, the first use first
	horizon time.Time
}

// nonce is what a nonce says.
type nonce struct {
	at   int64 // since 1970, in ns
	salt [nonceSalt]byte
}

// counted is which counts of a nonce have come (RFC 7616 3.4: nc).
type counted struct {
	last uint32
	seen uint64 // bit i: last-i
}

func (n *nonces) init() {
	_, _ = rand.Read(n.key[:]) // never fails (crypto/rand)
	n.used = map[nonce]*counted{}
}

func (n *nonces) mac(b []byte) []byte {
	h := hmac.New(sha256.New, n.key[:])
	h.Write(b)
	return h.Sum(nil)[:nonceMAC]
}

// issue makes a nonce.
func (n *nonces) issue(now time.Time) string {
	b := make([]byte, nonceStamp+nonceSalt, nonceStamp+nonceSalt+nonceMAC)
	binary.BigEndian.PutUint64(b, uint64(now.UnixNano()))
	_, _ = rand.Read(b[nonceStamp:])
	return nonceText.EncodeToString(append(b, n.mac(b)...))
}

// read gives what a nonce says, if it is this server's and not too old.
func (n *nonces) read(text string, now time.Time) (x nonce, ok bool) {
	if len(text) > 2*(nonceStamp+nonceSalt+nonceMAC) {
		return x, false
	}
	b, err := nonceText.DecodeString(text)
	if err != nil || len(b) != nonceStamp+nonceSalt+nonceMAC {
		return x, false
	}
	said := b[:nonceStamp+nonceSalt]
	if !hmac.Equal(b[nonceStamp+nonceSalt:], n.mac(said)) {
		return x, false
	}
	x = nonce{int64(binary.BigEndian.Uint64(said)), [nonceSalt]byte(said[nonceStamp:])}
	age := now.Sub(time.Unix(0, x.at))
	return x, age <= nonceLife && age >= -nonceLife
}

// use notes a count of a nonce. It is false if that has come before, or nobody can tell.
func (n *nonces) use(x nonce, count uint32, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.used[x]
	if c == nil {
		if !time.Unix(0, x.at).After(n.horizon) {
			return false // it may have been used, and forgotten
		}
		n.tidy(now)
		c = &counted{}
		n.used[x] = c
		n.order = append(n.order, x)
	}
	switch {
	case count == 0:
		return false // counts begin at 1
	case count > c.last:
		if ahead := count - c.last; ahead < ncWindow {
			c.seen = c.seen<<ahead | 1
		} else {
			c.seen = 1
		}
		c.last = count
		return true
	}
	behind := c.last - count
	if behind >= ncWindow || c.seen&(1<<behind) != 0 {
		return false
	}
	c.seen |= 1 << behind
	return true
}

// tidy forgets nonces that are over, and the first used if there are too many. The lock
// is held.
func (n *nonces) tidy(now time.Time) {
	for len(n.order) > 0 {
		first := n.order[0]
		at := time.Unix(0, first.at)
		if len(n.order) < maxNonces && now.Sub(at) <= nonceLife {
			return
		}
		if at.After(n.horizon) {
			n.horizon = at
		}
		delete(n.used, first)
		n.order = n.order[1:]
	}
}
