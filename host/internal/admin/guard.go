package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
)

// minToken is the fewest bytes of a token: 16 characters of hex are 64 bits. Chosen.
const minToken = 16

// readToken reads the secret that TCP clients must show.
func readToken(path string) (string, error) {
	if path == "" {
		return "", errors.New("open admin address: a token is needed on TCP; set admin.token_file")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read admin token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < minToken {
		return "", fmt.Errorf("read admin token: %s holds %d characters; at least %d are needed", path, len(token), minToken)
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("read admin token: %s holds more than one word of ASCII", path)
	}
	return token, nil
}

// othersRead tells whether the token's file can be read, or changed, by more users than its owner.
func othersRead(path string) (mode fs.FileMode, open bool) {
	st, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	return st.Mode().Perm(), st.Mode().Perm()&0o077 != 0
}

// guard lets a request through if it comes from no foreign web page and, on TCP, names a Host that no stranger's DNS can have made up and shows
// the token.
type guard struct {
	next  http.Handler
	tcp   bool
	token [sha256.Size]byte // hash, so that the comparison tells nothing of the length
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.tcp && !safeHost(r.Host) {
		writeError(w, http.StatusMisdirectedRequest, fmt.Errorf("host %q is refused; ask by IP address or as localhost", r.Host))
		return
	}
	if origin := r.Header.Get("Origin"); origin != "" && !sameOrigin(origin, r.Host) {
		writeError(w, http.StatusForbidden, fmt.Errorf("origin %q is refused", origin))
		return
	}
	if g.tcp && !g.knows(r.Header.Get("Authorization")) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="weir"`)
		problem := "the token is wrong"
		if r.Header.Get("Authorization") == "" {
			problem = "the token is missing"
		}
		writeError(w, http.StatusUnauthorized, errors.New(problem+"; set WEIR_TOKEN to what the server's token file holds"))
		return
	}
	g.next.ServeHTTP(w, r)
}

// knows checks "Bearer TOKEN" (RFC 6750 2.1).
func (g *guard) knows(authorization string) bool {
	scheme, token, _ := strings.Cut(authorization, " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// safeHost refuses names: a page of a stranger can make its own name point to this address (DNS rebinding), but not an IP address.
func safeHost(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	_, err = netip.ParseAddr(name)
	return err == nil
}

func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}
