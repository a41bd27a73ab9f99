package main

import (
	"fmt"
	"strconv"
)

func always(*bench) string { return "" }

// The bounds: what a C loop and two minimal Go programs need for the same bytes.
var (
	floor = &contender{name: "floor", forms: []form{formTS, formMMSH, formUDP}, missing: always, start: startFloor}
	gor   = &contender{name: "gofan, goroutine per viewer", forms: []form{formTS}, missing: always,
		start: func(b *bench, j job) (*service, error) { return startGofan(b, j, "-mode", "gor") }}
	shard = &contender{name: "gofan, one loop, 20 ms", forms: []form{formTS}, missing: always,
		start: func(b *bench, j job) (*service, error) { return startGofan(b, j, "-mode", "shard", "-tick", "20ms") }}
)

func startFloor(b *bench, j job) (*service, error) {
	port, err := b.ports.take()
	if err != nil {
		return nil, err
	}
	s := &service{url: fmt.Sprintf("http://127.0.0.1:%d/", port)}
	args := []string{"-l", strconv.Itoa(port), "-r", strconv.Itoa(j.kbit), "-c", strconv.Itoa(j.chunk)}
	if j.form == formUDP {
		s.url = fmt.Sprintf("udp://127.0.0.1:%d", j.udpPort)
		args = append(args, "-g", "-u", strconv.Itoa(j.udpPort), "-n", strconv.Itoa(j.viewers))
	}
	s.server, err = s.run(b.cores.server, false, b.tools.writefan, args...)
	return s, err
}

func startGofan(b *bench, j job, mode ...string) (*service, error) {
	port, err := b.ports.take()
	if err != nil {
		return nil, err
	}
	in, err := b.ports.take()
	if err != nil {
		return nil, err
	}
	s := &service{url: fmt.Sprintf("http://127.0.0.1:%d/", port)}
	source := fmt.Sprintf("127.0.0.1:%d", in)
	args := append([]string{"-l", fmt.Sprintf("127.0.0.1:%d", port), "-s", source}, mode...)
	if s.server, err = s.run(b.cores.server, false, b.tools.gofan, args...); err != nil {
		return nil, err
	}
	if err = until(patience, s.server, func() (bool, error) { return answers(source) }); err == nil {
		err = s.feed(b, j, "tcp", source)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}
