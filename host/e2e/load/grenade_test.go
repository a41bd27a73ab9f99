//go:build linux

package load_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

// grenade gives the plugin that dies on request, under a name of its own: its route is /NAME, and its connections begin with word, of three letters.
func grenade(t *testing.T, name, word string) []byte {
	t.Helper()
	manifest, err := os.ReadFile("testdata/grenade/plugin.yaml")
	if err != nil {
		t.Fatal(err)
	}
	manifest = bytes.Replace(manifest, []byte("name: grenade\n"), []byte("name: "+name+"\n"), 1)
	manifest = bytes.Replace(manifest, []byte("/grenade"), []byte("/"+name), 2)
	manifest = bytes.Replace(manifest, []byte("50 49 4e 0a"), fmt.Appendf(nil, "% x 0a", word), 1)
	return wasm.WithManifest(hosttest.Build(t, "testdata/grenade"), manifest)
}

// line is a connection to a grenade that stays open.
type line struct {
	conn net.Conn
	r    *bufio.Reader
	said int // lines that were answered
}

// pin opens a connection from an address of this machine and waits until the plugin has answered.
func pin(from, at, word string) (*line, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	conn, err := d.Dial("tcp", at)
	if err != nil {
		return nil, err
	}
	l := &line{conn: conn, r: bufio.NewReaderSize(conn, 64)}
	return l, l.say(word)
}

// say sends a line, and expects that it is answered as the next one of this session.
func (l *line) say(text string) error {
	_ = l.conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(l.conn, text+"\n"); err != nil {
		return err
	}
	answer, err := l.r.ReadString('\n')
	if err != nil {
		return fmt.Errorf("after %d lines: %w", l.said, err)
	}
	if l.said++; answer != fmt.Sprintf("alive %d\n", l.said) {
		return fmt.Errorf("line %d is answered with %q", l.said, answer)
	}
	return nil
}

// throw asks for what ends the session, and waits until it has ended.
func (l *line) throw(order string) error {
	_ = l.conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(l.conn, order+"\n"); err != nil && !gone(err) {
		return err
	}
	rest, err := io.ReadAll(l.r)
	if len(rest) > 0 || err != nil && !gone(err) {
		return fmt.Errorf("after %s: %q, %w", strings.TrimSpace(order), rest, err)
	}
	return l.conn.Close()
}
