package config

import (
	"fmt"
	"maps"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// at is a place in the tree, whose kinds have been checked; absent and null values are nil.
type at struct {
	loader *loader
	path   []string
	value  any
}

func (a at) key(name string) at {
	m, _ := a.value.(map[string]any)
	return at{a.loader, below(a.path, name), m[name]}
}

func (a at) present() bool { return a.value != nil }

func (a at) fail(format string, args ...any) { a.loader.fail(a.path, format, args...) }

// children gives the named entries of a mapping, sorted.
func (a at) children() (out []at) {
	m, _ := a.value.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, a.key(name))
	}
	return out
}

func (a at) name() string { return a.path[len(a.path)-1] }

func (a at) items() (out []at) {
	list, _ := a.value.([]any)
	for i, v := range list {
		out = append(out, at{a.loader, below(a.path, strconv.Itoa(i)), v})
	}
	return out
}

// text is the plain value as it was written, near enough: 80 and "80" are the same.
func (a at) text() string {
	if a.value == nil {
		return ""
	}
	return fmt.Sprint(a.value)
}

func (a at) bool(absent bool) bool {
	switch strings.ToLower(a.text()) {
	case "":
		return absent
	case "true":
		return true
	case "false":
		return false
	}
	a.fail("%q is neither true nor false; write one of them", a.text())
	return absent
}

func (a at) duration(absent, least, most time.Duration) time.Duration {
	if !a.present() {
		return absent
	}
	d, err := time.ParseDuration(a.text())
	switch {
	case err != nil:
		a.fail("%q is not a duration; write a number with its unit, as in 40ms, 30s or 2m", a.text())
	case d < least || d > most:
		a.fail("%v is out of range; choose %v to %v", d, least, most)
	}
	return d
}

func (a at) count(most int) int {
	if !a.present() {
		return 0
	}
	n, err := strconv.Atoi(a.text())
	if err != nil || n < 1 || n > most {
		a.fail("%q is not a whole number from 1 to %d; write one, or remove the key for no limit", a.text(), most)
	}
	return n
}

// multiple reads a factor. Zero, or none, means no limit.
func (a at) multiple(least, most float64) float64 {
	if !a.present() {
		return 0
	}
	x, err := strconv.ParseFloat(a.text(), 64)
	if err != nil || x != 0 && !(x >= least && x <= most) {
		a.fail("%q is not a number from %v to %v; write one, as in 2 or 1.5, or 0 for no limit (by UDP: 2)", a.text(), least, most)
		return 0
	}
	return x
}

// within reads a whole number that must be there.
func (a at) within(least, most int) int {
	n, err := strconv.Atoi(a.text())
	if err != nil || n < least || n > most {
		a.fail("%q is not a whole number from %d to %d; write one", a.text(), least, most)
	}
	return n
}

var sizeUnits = []struct {
	suffix string
	bytes  uint64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

func (a at) size(least, most uint64) uint64 {
	if !a.present() {
		return 0
	}
	bytes, ok := parseSize(a.text())
	switch {
	case !ok:
		a.fail("%q is not a size; write a whole number with B, KiB, MiB or GiB, as in 32MiB", a.text())
	case bytes < least || bytes > most:
		a.fail("%s is out of range; choose %s to %s", a.text(), sizeText(least), sizeText(most))
	}
	return bytes
}

// sizeText writes a size in the largest unit that divides it.
func sizeText(bytes uint64) string {
	for _, u := range sizeUnits {
		if bytes%u.bytes == 0 {
			return strconv.FormatUint(bytes/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatUint(bytes, 10)
}

func parseSize(s string) (bytes uint64, ok bool) {
	for _, u := range sizeUnits {
		if digits, found := strings.CutSuffix(s, u.suffix); found {
			n, err := strconv.ParseUint(digits, 10, 64)
			if err != nil || n > math.MaxUint64/u.bytes {
				return 0, false
			}
			return n * u.bytes, true
		}
	}
	return 0, false
}

// port reads a port. Zero is for tests alone.
func (a at) port(s string) (uint16, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 && !a.loader.options.AllowPortZero {
		a.fail("port %q is not 1 to 65535; write one, such as 8080", s)
		return 0, false
	}
	return uint16(n), true
}

// addrPort reads "0.0.0.0:8080", "[::1]:8080", or ":8080" for every IPv4 address. The zero AddrPort is absent or already reported.
func (a at) addrPort() netip.AddrPort {
	if !a.present() {
		return netip.AddrPort{}
	}
	host, port, err := net.SplitHostPort(a.text())
	if err != nil {
		a.fail("%q is not ADDRESS:PORT; write for example \"0.0.0.0:8080\" or \"[::1]:8080\"", a.text())
		return netip.AddrPort{}
	}
	addr := netip.IPv4Unspecified()
	if host != "" {
		if addr = a.addr(host); !addr.IsValid() {
			return netip.AddrPort{}
		}
	}
	n, ok := a.port(port)
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr, n)
}

func (a at) addr(s string) netip.Addr {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		a.fail("%q is not an IP address; names are not looked up, so write one such as 127.0.0.1 or ::1", s)
		return netip.Addr{}
	}
	return addr.Unmap()
}

func (a at) patterns() (out Patterns) {
	for _, item := range a.items() {
		if err := checkPattern(item.text()); err != nil {
			item.fail("%v", err)
			continue
		}
		out = append(out, Pattern(item.text()))
	}
	return out
}

func (a at) dials(parse func(string) (Dial, error)) (out []Dial) {
	for _, item := range a.items() {
		d, err := parse(item.text())
		if err != nil {
			item.fail("%v", err)
			continue
		}
		out = append(out, d)
	}
	return out
}
