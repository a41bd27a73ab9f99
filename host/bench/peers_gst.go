package main

import "fmt"

// gst is GStreamer's tcpserversink, which writes to whoever connects. Its listen queue holds five.
var gst = &contender{name: "gst tcpserversink", forms: []form{formTS}, missing: needs("gst-launch-1.0"), start: startGst, joins: 200, once: true}

func startGst(b *bench, j job) (*service, error) {
	port, err := b.ports.take()
	if err != nil {
		return nil, err
	}
	in, err := b.ports.take()
	if err != nil {
		return nil, err
	}
	s := &service{url: fmt.Sprintf("tcp://127.0.0.1:%d", port)}
	source := fmt.Sprintf("127.0.0.1:%d", in)
	if err = s.feed(b, j, "tcplisten", source); err == nil {
		err = until(patience, s.source, func() (bool, error) { return answers(source) })
	}
	if err == nil {
		s.server, err = s.run(b.cores.server, false, "gst-launch-1.0", "-q", "tcpclientsrc", "host=127.0.0.1", fmt.Sprintf("port=%d", in),
			"!", "tcpserversink", "host=127.0.0.1", fmt.Sprintf("port=%d", port), "sync=false")
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}
