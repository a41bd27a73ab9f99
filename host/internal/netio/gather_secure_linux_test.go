package netio

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

// TestGatherInsideTLS: input that a relay brings is gathered as that of a socket of its own.
func TestGatherInsideTLS(t *testing.T) {
	_, c, far := secureConns(t)
	readFull(t, c, len("\xF0hello"))
	a, err := c.Alarm()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := c.Hush(); err != nil {
		t.Fatal(err)
	}
	const d = 50 * time.Millisecond
	began := time.Now()
	for range 3 {
		if _, err := far.Write([]byte("little")); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Wait(d); err != nil || time.Since(began) < d {
		t.Fatalf("woken after %v: %v", time.Since(began), err)
	}
	b := make([]byte, 2*gatherBytes)
	for n := 0; n < 3*len("little"); { // the relay may still be under way
		m, err := c.ReadNow(b[n:])
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) > patience {
			t.Fatal(n, err)
		}
		n += m
	}
	if _, err := far.Write(make([]byte, gatherBytes)); err != nil {
		t.Fatal(err)
	}
	if err := a.Wait(time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, b[:gatherBytes]); err != nil {
		t.Fatal(err)
	}
	if err := c.Hush(); err != nil {
		t.Fatal(err)
	}
	if err := far.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Wait(time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(b); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}
