package main

import (
	"context"
	"fmt"
)

// udpBound is how much more weir may cost than the floor with UDP_SEGMENT and the same bytes a send.
const udpBound = 1.2

// udpSize is the bytes of a datagram.
const udpSize = 1316

func datagrams(ctx context.Context, b *bench) error {
	for _, c := range pick(b, []crowd{{200, 1000}, {200, 4000}}, []crowd{{20, 1000}}) {
		j := job{form: formUDP, kbit: c.kbit, viewers: c.viewers, udpPort: b.ports.first + udpOffset}
		l := pick(b, load{viewers: c.viewers, settle: 1.5, window: 4}, load{viewers: c.viewers, settle: 1, window: 2})
		for round := range b.rounds {
			b.results.round = round
			x, err := b.try(ctx, "udp", c.String(), "weir", weir, j, l)
			if err != nil {
				return err
			}
			if err := b.udpFloor(ctx, c, j, l, sendSize(x, c.kbit)); err != nil {
				return err
			}
		}
		b.beside("udp", c.String(), floorSame, udpBound)
	}
	return nil
}

// udpFloor measures what the floor needs for so many bytes a send. It sends whole datagrams only, as many each time, and weir sometimes one more: so it is
// measured with both numbers, and the sends of each are weighed so that they have weir's bytes.
func (b *bench) udpFloor(ctx context.Context, c crowd, j job, l load, bytes int) error {
	fewer := max(1, bytes/udpSize)
	var shots [2]shot
	for i := range shots {
		n := fewer + i
		j.chunk = n * udpSize
		var err error
		if shots[i], err = b.try(ctx, "udp", c.String(), fmt.Sprintf("floor, %d datagrams a send", n), floor, j, l); err != nil {
			return err
		}
	}
	b.results.add("udp", c.String(), floorSame, blend(shots, fewer, bytes))
	return nil
}

// blend gives the cost of sends of bytes in the mean, of shots whose sends have so many datagrams, and one more.
func blend(shots [2]shot, fewer, bytes int) shot {
	sizes := [2]float64{float64(fewer * udpSize), float64((fewer + 1) * udpSize)}
	mean := min(max(float64(bytes), sizes[0]), sizes[1])
	more := (mean - sizes[0]) / udpSize // share of the sends that have one more
	x := shots[0]
	if more > 0.5 {
		x = shots[1]
	}
	x.cpuPerGB = ((1-more)*shots[0].cpuPerGB*sizes[0] + more*shots[1].cpuPerGB*sizes[1]) / mean
	x.bytesPerSend = mean
	return x
}
