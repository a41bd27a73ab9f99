package admin

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSocketComesBack: somebody cleans up the folder.
func TestSocketComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.sock")
	s := mustOpen(t, Options{Socket: path})
	c, err := NewClient("unix:"+path, "")
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 2 {
		if err = os.Remove(path); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(30 * time.Second); ; { // nothing but the file itself tells
			if _, err = c.Status(context.Background()); err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the socket does not come back: %v", err)
			}
			<-tick.C
		}
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != socketMode {
		t.Errorf("%v, %v", st, err)
	}
	s.Close()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("after Close: %v", err)
	}
}

// TestAnothersSocketStays: a server that took the path over keeps it, while this one lives and when it ends.
func TestAnothersSocketStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.sock")
	d, err := openSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	if err = os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if did, err := d.restore(); did || err != nil {
		t.Errorf("restored %v, %v", did, err)
	}
	d.Close()
	if _, err := net.Dial("unix", path); err != nil {
		t.Errorf("the other server is not reached any more: %v", err)
	}
	if did, _ := d.restore(); did {
		t.Error("a closed server's socket comes back")
	}
}

func TestTokenThatOthersMayRead(t *testing.T) {
	for mode, warns := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o644: true, 0o602: true} {
		var log bytes.Buffer
		path := tokenFile(t, secret)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		mustOpen(t, Options{Address: "127.0.0.1:0", TokenFile: path, Log: slog.New(slog.NewTextHandler(&log, nil))}).Close()
		if strings.Contains(log.String(), "others may read the admin token") != warns {
			t.Errorf("mode %v: %q", mode, log.String())
		}
	}
}

func TestClientHearsWhatIsWrongWithTheToken(t *testing.T) {
	s := mustOpen(t, Options{Address: "127.0.0.1:0", TokenFile: tokenFile(t, secret)})
	for token, want := range map[string]string{"": "the token is missing", "0123456789abcdeX": "the token is wrong"} {
		c, err := NewClient(s.Address().String(), token)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Status(context.Background()); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "WEIR_TOKEN") {
			t.Errorf("token %q: %v", token, err)
		}
	}
}
