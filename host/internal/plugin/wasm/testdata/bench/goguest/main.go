// The Go half of the meter's workloads.
package main

import (
	"crypto/sha256"
	"encoding/json"
)

var (
	buffer [1 << 20]byte
	text   []byte
)

type record struct {
	Name   string            `json:"name"`
	Bytes  []int             `json:"bytes"`
	Header map[string]string `json:"header"`
	Nested []struct {
		ID    int     `json:"id"`
		Ratio float64 `json:"ratio"`
		Live  bool    `json:"live"`
	} `json:"nested"`
}

//go:wasmexport prepare
func prepare() {
	for i := range buffer {
		buffer[i] = byte(uint32(i) * 2654435761 >> 24)
		if i%188 == 0 {
			buffer[i] = 0x47
		}
	}
	text = []byte(`{"name":"news","bytes":[1,2,3,4,5,60,700],"header":{"Accept":"*/*","Host":"localhost","User-Agent":"NSPlayer/9.0"},
"nested":[{"id":1,"ratio":0.5,"live":true},{"id":2,"ratio":1e3,"live":false}]}`)
}

//go:wasmexport parse
func parse() int64 {
	var seen int64
	var counters [8192]byte
	for at := 0; at+188 <= len(buffer); at += 188 {
		p := buffer[at : at+188]
		if p[0] != 0x47 {
			return 0
		}
		pid, start, body := int(p[1]&0x1f)<<8|int(p[2]), p[1]&0x40 != 0, 4
		if p[3]&0x20 != 0 {
			body += 1 + int(p[4])
			if p[4] >= 7 && p[5]&0x10 != 0 {
				seen += int64(p[6])<<25 | int64(p[7])<<17 | int64(p[8])<<9 | int64(p[9])<<1 | int64(p[10]>>7)
			}
		}
		if p[3]&0x10 != 0 && body < 188 {
			if counters[pid] != p[3]&0xf {
				seen++
			}
			counters[pid] = (p[3] + 1) & 0xf
			if start {
				seen += timestamps(p[body:])
			}
		}
	}
	return seen
}

//go:noinline
func timestamps(p []byte) int64 {
	if len(p) < 19 || p[0] != 0 || p[1] != 0 || p[2] != 1 {
		return 0
	}
	return int64(p[9])<<22 | int64(p[10])<<14 | int64(p[11])<<7 | int64(p[12])
}

//go:wasmexport json
func jsons() int32 {
	n := 0
	for range 100 {
		var r record
		if err := json.Unmarshal(text, &r); err != nil {
			return -1
		}
		n += len(r.Nested)
	}
	return int32(n)
}

//go:wasmexport hash
func hash() int32 {
	sum := sha256.Sum256(buffer[:64<<10])
	return int32(sum[0])
}

func main() {}
