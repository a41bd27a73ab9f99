package access

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"sync"
	"time"
)

const (
	// maxChecks is how many passwords may wait for their check (chosen: a second or two).
	maxChecks = 8
	// maxGood is how many passwords are remembered as good (chosen: 64 KiB); beyond it all
	// are forgotten, and checked once more.
	maxGood = 1024
	// busyWait is when to come again if too many wait.
	busyWait = 2 * time.Second
	// checkTime bounds how long a password may wait for its check, and be checked.
	checkTime = 10 * time.Second
)

// basic judges a Basic Authorization (RFC 7617 2).
func (g *Guard) basic(ctx context.Context, p *Policy, rest string) proof {
	if len(rest) > maxCredentials {
		return proof{answer: Wrong}
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
	if err != nil {
		return proof{answer: Wrong}
	}
	name, password, ok := strings.Cut(string(b), ":")
	if !ok || len(password) > MaxPassword || len(name) > MaxName {
		return proof{answer: Wrong}
	}
	a := p.Users.find(name)
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	switch good, done := g.checker.check(ctx, a, p.Users, name, password); {
	case !done:
		return proof{answer: Busy}
	case !good || a == nil:
		return proof{answer: Wrong}
	}
	return proof{user: a.name, by: Basic}
}

// checker runs the slow hash, one at a time, and remembers what was good.
type checker struct {
	key  [32]byte
	turn chan struct{} // capacity 1: taken while a hash is made, and as long again after one that was wrong

	mu      sync.Mutex
	good    map[[32]byte]bool
	checked map[[32]byte]*check // under way
}

// check is one that is under way; its result stands once done is closed.
type check struct {
	done     chan struct{}
	good, is bool
}

func (c *checker) init() {
	_, _ = rand.Read(c.key[:]) // never fails (crypto/rand)
	c.turn = make(chan struct{}, 1)
	c.good, c.checked = map[[32]byte]bool{}, map[[32]byte]*check{}
}

// check tells whether a password is that of an account; a nil account's never is, and
// that takes as long to find out. It is not done if there are too many, or ctx ends.
func (c *checker) check(ctx context.Context, a *account, of *Users, name, password string) (good, done bool) {
	slow := of.slow(a)
	sum := c.sum(name, string(slow.salt), string(slow.hash), password)
	c.mu.Lock()
	if c.good[sum] {
		c.mu.Unlock()
		return true, true
	}
	x := c.checked[sum]
	if x == nil && len(c.checked) >= maxChecks {
		c.mu.Unlock()
		return false, false
	}
	isFirst := x == nil
	if isFirst { // whoever comes with the same meanwhile waits for this
		x = &check{done: make(chan struct{})}
		c.checked[sum] = x
	}
	c.mu.Unlock()
	if !isFirst {
		select {
		case <-x.done:
			return x.good, x.is
		case <-ctx.Done():
			return false, false
		}
	}
	x.good, x.is = c.run(ctx, slow, password)
	x.good = x.good && a != nil
	c.mu.Lock()
	delete(c.checked, sum)
	if x.good {
		if len(c.good) >= maxGood {
			clear(c.good)
		}
		c.good[sum] = true
	}
	c.mu.Unlock()
	close(x.done)
	return x.good, x.is
}

// run makes the hash in its turn. Who guesses gets half of one processor at the most.
func (c *checker) run(ctx context.Context, s slowHash, password string) (good, done bool) {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return false, false
	}
	began := time.Now()
	good = s.fits(password)
	if good {
		<-c.turn
	} else {
		time.AfterFunc(time.Since(began), func() { <-c.turn })
	}
	return good, true
}

// sum names a password of a user as its file has it, without giving it away.
func (c *checker) sum(parts ...string) (out [32]byte) {
	h := hmac.New(sha256.New, c.key[:])
	for _, p := range parts {
		h.Write([]byte{byte(len(p) >> 8), byte(len(p))})
		h.Write([]byte(p))
	}
	return [32]byte(h.Sum(nil))
}
