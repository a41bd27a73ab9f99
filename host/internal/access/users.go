package access

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// DefaultRealm is what users are asked for unless plugins.yaml says otherwise.
const DefaultRealm = "weir"

const (
	maxUsersFile = 4 << 20
	maxUsersLine = 1 << 10
)

// Users are those who may log in, with their passwords hashed. They are immutable; nil
// has nobody.
//
// A file of them has a line for each:
//
//	NAME:pbkdf2-sha256$ITERATIONS$SALT$HASH
//	NAME:pbkdf2-sha256$ITERATIONS$SALT$HASH:digest$REALM$MD5$SHA256
//
// Salt and hash of the first part, which Basic needs, are base64 without padding (RFC 8018). The second, which Digest needs, holds the
// hashes of NAME:REALM:PASSWORD that RFC 7616 calls A1, in hex. Empty lines, and those that begin with '#', count for nothing.
type Users struct {
	all   map[string]*account
	sum   string   // SHA-256 of the file
	dummy slowHash // what a password of nobody is compared with
}

// account is one user.
type account struct {
	name        string
	slow        slowHash
	realm       string // of the following; empty: the user has none
	md5, sha256 string // A1, in lower-case hex
}

// ParseUsers reads a file of users. Its errors, joined, name file, line and remedy; they
// never hold a hash.
func ParseUsers(file string, text []byte) (*Users, error) {
	sum := sha256.Sum256(text)
	u := &Users{all: map[string]*account{}, sum: hex.EncodeToString(sum[:]), dummy: slowHash{hashIterations, make([]byte, saltBytes), make([]byte, hashBytes)}}
	if len(text) > maxUsersFile {
		return nil, fmt.Errorf("%s: has more than %d bytes; is it the right file?", file, maxUsersFile)
	}
	var problems []error
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		a, err := parseAccount(string(line))
		if err == nil && u.all[a.name] != nil {
			err = fmt.Errorf("user %s stands twice; remove one", a.name)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %w", file, number, err))
			continue
		}
		u.all[a.name] = a
		u.dummy.iterations = a.slow.iterations // all that `weir user` writes have the same
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return u, nil
}

func parseAccount(line string) (*account, error) {
	const remedy = "; write it anew with: weir user add NAME -f FILE"
	if len(line) > maxUsersLine {
		return nil, errors.New("the line is too long" + remedy)
	}
	parts := strings.Split(line, ":")
	if len(parts) < 2 {
		return nil, errors.New("no NAME:HASH" + remedy)
	}
	a := &account{name: parts[0]}
	if err := CheckName(a.name); err != nil {
		return nil, err
	}
	if strings.HasPrefix(parts[1], "$") || strings.HasPrefix(parts[1], "{") {
		return nil, fmt.Errorf("user %s has a hash of another program's (htpasswd?)%s", a.name, remedy)
	}
	if !a.readSlow(parts[1]) {
		return nil, fmt.Errorf("user %s has no hash that weir knows%s", a.name, remedy)
	}
	if len(parts) > 3 || len(parts) == 3 && !a.readDigest(parts[2]) {
		return nil, fmt.Errorf("user %s has a hash for Digest that weir does not know%s", a.name, remedy)
	}
	return a, nil
}

const (
	slowName   = "pbkdf2-sha256"
	digestName = "digest"
)

var hashText64 = base64.RawStdEncoding.Strict()

func (a *account) readSlow(s string) bool {
	p := strings.Split(s, "$")
	if len(p) != 4 || p[0] != slowName {
		return false
	}
	n, err := strconv.Atoi(p[1])
	if err != nil || n < leastIterations || n > mostIterations {
		return false
	}
	salt, errSalt := hashText64.DecodeString(p[2])
	sum, errSum := hashText64.DecodeString(p[3])
	a.slow = slowHash{n, salt, sum}
	return errSalt == nil && errSum == nil && len(salt) >= 8 && len(salt) <= 64 && len(sum) == hashBytes
}

func (a *account) readDigest(s string) bool {
	p := strings.Split(s, "$")
	if len(p) != 4 || p[0] != digestName || CheckRealm(p[1]) != nil {
		return false
	}
	a.realm, a.md5, a.sha256 = p[1], strings.ToLower(p[2]), strings.ToLower(p[3])
	return isHex(a.md5, 16) && isHex(a.sha256, 32)
}

func isHex(s string, size int) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == size
}

// NewLine makes the line of a user in a file. A realm that is empty leaves out what Digest
// needs: who then gets hold of the file must try each password slowly, and nobody can log in by Digest.
func NewLine(name, password, realm string) (string, error) {
	return newLine(name, password, realm, hashIterations)
}

func newLine(name, password, realm string, iterations int) (string, error) {
	if err := errors.Join(CheckName(name), CheckPassword(password)); err != nil {
		return "", err
	}
	s, err := makeSlow(password, iterations)
	if err != nil {
		return "", err
	}
	line := fmt.Sprintf("%s:%s$%d$%s$%s", name, slowName, s.iterations, hashText64.EncodeToString(s.salt), hashText64.EncodeToString(s.hash))
	if realm == "" {
		return line, nil
	}
	if err := CheckRealm(realm); err != nil {
		return "", err
	}
	secret := name + ":" + realm + ":" + password // RFC 7616 3.4.2
	return line + fmt.Sprintf(":%s$%s$%s$%s", digestName, realm, hashText(Digest, secret), hashText(DigestSHA256, secret)), nil
}

// Names gives the users, sorted.
func (u *Users) Names() []string {
	if u == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(u.all))
}

// Sum is the SHA-256 of the file, in hex; empty for nobody.
func (u *Users) Sum() string {
	if u == nil {
		return ""
	}
	return u.sum
}

// Has tells whether there is a user of that name.
func (u *Users) Has(name string) bool { return u.find(name) != nil }

// Realm is the one in which a user can log in by Digest; empty: none.
func (u *Users) Realm(name string) string {
	if a := u.find(name); a != nil {
		return a.realm
	}
	return ""
}

func (u *Users) find(name string) *account {
	if u == nil {
		return nil
	}
	return u.all[name]
}

// slow is what a password is compared with; a nil account has what takes as long.
func (u *Users) slow(a *account) slowHash {
	switch {
	case a != nil:
		return a.slow
	case u == nil:
		return slowHash{leastIterations, make([]byte, saltBytes), make([]byte, hashBytes)}
	}
	return u.dummy
}

// secret is A1 in hex; a nil account's is nobody's.
func (u *Users) secret(a *account, by Methods) string {
	switch {
	case a == nil:
		return strings.Repeat("0", 2*sha256.Size)
	case by == DigestSHA256:
		return a.sha256
	}
	return a.md5
}

// has tells whether an account can log in by Digest in a realm.
func (a *account) has(by Methods, realm string) bool {
	return a.realm == realm && realm != "" && by&(Digest|DigestSHA256) != 0
}
