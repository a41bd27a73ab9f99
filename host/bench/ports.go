package main

import (
	"fmt"
	"net"
	"sync/atomic"
)

// portRange is a small range of ports of which each service takes the next, so that connections of one row that the kernel still remembers do not stand in
// the way of the next. The zero value has none.
type portRange struct {
	first, count int
	next         atomic.Int64
}

// take gives a port that can be bound now.
func (p *portRange) take() (int, error) {
	for range p.count {
		port := p.first + int(p.next.Add(1)-1)%p.count
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		_ = l.Close()
		return port, nil
	}
	return 0, fmt.Errorf("ports: none of %d to %d is free; choose others with -port", p.first, p.first+p.count-1)
}
