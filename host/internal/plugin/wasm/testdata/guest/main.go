// A plugin without the SDK, for the tests of the carrier: a frame's first record holds a command, the answer is plain text.
package main

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
	"unsafe"
)

const boxBytes = 256 << 10

var inbox, outbox [boxBytes]byte

var kept []byte // what the command grow allocates

//go:wasmexport weir_abi_1
func marker() int32 { return 0 }

//go:wasmexport weir_buf
func buffer(kind int32) int64 {
	p := unsafe.Pointer(&inbox)
	if kind == 1 {
		p = unsafe.Pointer(&outbox)
	}
	return int64(uintptr(p))<<32 | boxBytes
}

const (
	commandAt = 8 + 16 + 36 // frame head, record head, event head
	lengthAt  = 8 + 4
)

//go:wasmexport weir_call
func call(n int32) int32 {
	size := int(binary.LittleEndian.Uint32(inbox[lengthAt:])) - 36
	name, argument, _ := strings.Cut(string(inbox[commandAt:commandAt+size]), " ")
	return int32(copy(outbox[:], commands[name](argument)))
}

//go:wasmimport weir_1 log
func hostLog(level int32, ptr unsafe.Pointer, n uint32)

var commands = map[string]func(string) string{
	"echo":      func(s string) string { return s },
	"none":      func(string) string { return "" },
	"now":       func(string) string { return fmt.Sprint(time.Now().UnixNano()) },
	"random":    func(string) string { return random() },
	"world":     func(string) string { return world() },
	"collect":   func(string) string { return collect() },
	"goroutine": func(string) string { return inGoroutine() },
	"ranges":    func(string) string { return ranges() },
	"size":      func(string) string { return fmt.Sprint(len(kept)) },
	"sleep":     func(string) string { time.Sleep(time.Hour); return "slept" },
	"panic":     func(s string) string { fmt.Println("before the panic"); panic(s) },
	"exit":      func(string) string { os.Exit(7); return "" },
	"block":     func(string) string { select {} },
	"print":     func(s string) string { fmt.Println(s); fmt.Fprint(os.Stderr, s+" to stderr"); return "" },
	"log":       func(s string) string { b := []byte(s); hostLog(4, unsafe.Pointer(&b[0]), uint32(len(b))); return "" },
	"spin": func(string) string {
		for i := 0; ; i++ {
			outbox[0] = byte(i)
		}
	},
	"grow": func(string) string {
		for {
			kept = append(kept, make([]byte, 1<<20)...)
		}
	},
	"code": func(s string) string { copy(outbox[:], s+"\x00"); return "" },
}

func random() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// world asks for everything that a guest must not have.
func world() string {
	_, errRead := os.ReadFile("/etc/hostname")
	_, errDir := os.ReadDir("/")
	errWrite := os.WriteFile("x", nil, 0o600)
	_, errIn := os.Stdin.Read(make([]byte, 1))
	return fmt.Sprint(errRead != nil, errDir != nil, errWrite != nil, errIn != nil, len(os.Args), len(os.Environ()))
}

// collect makes the guest's garbage collector run.
func collect() string {
	var keep []*[64]int
	for i := range 20000 {
		p := new([64]int)
		if i%100 == 0 {
			keep = append(keep, p)
		}
	}
	runtime.GC()
	return fmt.Sprint(len(keep))
}

func inGoroutine() string {
	answer := make(chan string)
	go func() { answer <- "from a goroutine" }()
	return <-answer
}

func ranges() string {
	m := map[int]bool{}
	for i := range 100 {
		m[i] = true
	}
	var b strings.Builder
	for k := range m {
		fmt.Fprint(&b, k, " ")
	}
	return b.String()
}

func main() {}
