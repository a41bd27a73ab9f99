package access

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// hashIterations is what a password costs to try: OWASP's Password Storage Cheat Sheet of
	// 2023 for PBKDF2 with HMAC-SHA-256.
	hashIterations = 600_000
	// leastIterations and mostIterations bound what a file may ask for (NIST SP 800-132 5.2
	// has the least; a second and a half of a processor is the most).
	leastIterations, mostIterations = 1000, 5_000_000

	saltBytes, hashBytes = 16, 32 // RFC 8018 4.1 wants 8 or more of salt
)

// MaxName bounds a user's name, and a realm, in bytes (chosen).
const MaxName = 64

// MaxPassword bounds a password, in bytes (chosen).
const MaxPassword = 256

// slowHash is a password as PBKDF2 with HMAC-SHA-256 leaves it (RFC 8018 5.2).
type slowHash struct {
	iterations int
	salt, hash []byte
}

func makeSlow(password string, iterations int) (s slowHash, err error) {
	s = slowHash{iterations: iterations, salt: make([]byte, saltBytes)}
	_, _ = rand.Read(s.salt) // never fails (crypto/rand)
	s.hash, err = pbkdf2.Key(sha256.New, password, s.salt, iterations, hashBytes)
	return s, err
}

// fits tells whether it is that of a password. It takes its time.
func (s slowHash) fits(password string) bool {
	got, err := pbkdf2.Key(sha256.New, password, s.salt, s.iterations, len(s.hash))
	return err == nil && subtle.ConstantTimeCompare(got, s.hash) == 1
}

// CheckName judges a user's name.
func CheckName(name string) error {
	isOther := func(r rune) bool {
		isWord := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !isWord && !strings.ContainsRune("._@-", r)
	}
	if name == "" || len(name) > MaxName || strings.ContainsFunc(name, isOther) {
		return fmt.Errorf("%.80q is no user's name; write 1 to %d letters, digits, '.', '_', '@' or '-'", name, MaxName)
	}
	return nil
}

// CheckPassword judges a new password. Its error does not hold it.
func CheckPassword(password string) error {
	switch {
	case password == "":
		return errors.New("the password is empty; write one")
	case len(password) > MaxPassword:
		return fmt.Errorf("the password has more than %d bytes; choose a shorter one", MaxPassword)
	case !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl):
		return errors.New("the password holds control characters; choose one without")
	}
	return nil
}

// CheckRealm judges a realm, which stands in quotes in a challenge and between colons in a hash.
func CheckRealm(realm string) error {
	isOther := func(r rune) bool { return r < ' ' || r >= 0x7F || strings.ContainsRune(`":\$`, r) }
	if realm == "" || len(realm) > MaxName || strings.ContainsFunc(realm, isOther) {
		return fmt.Errorf("%.80q is no realm; write 1 to %d printable ASCII characters without '\"', '\\', ':' and '$'", realm, MaxName)
	}
	return nil
}
