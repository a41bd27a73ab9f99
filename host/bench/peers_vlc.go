package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// vlc is VLC as a server without a screen. It refuses to run as root.
var vlc = &contender{name: "vlc", forms: []form{formTS, formMMSH}, missing: needs("vlc"), start: startVLC, media: true}

func startVLC(b *bench, j job) (*service, error) {
	port, err := b.ports.take()
	if err != nil {
		return nil, err
	}
	in, err := b.ports.take()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(b.dir, "vlc")
	if err = os.MkdirAll(home, 0o777); err != nil {
		return nil, err
	}
	if err = os.Chmod(home, 0o777); err != nil { // whatever the umask says: it writes there as nobody
		return nil, err
	}
	s := &service{url: fmt.Sprintf("http://127.0.0.1:%d/live.ts", port)}
	access := "http,mux=ts"
	if j.form == formMMSH {
		s.url, s.headers, access = fmt.Sprintf("http://127.0.0.1:%d/live", port), mmshHeaders, "mmsh,mux=asfh"
	}
	source := "127.0.0.1:" + strconv.Itoa(in)
	if err = s.feed(b, j, "httplisten", source); err == nil {
		err = until(patience, s.source, func() (bool, error) { return answers(source) })
	}
	if err == nil {
		dst := s.url[len("http://"):]
		s.server, err = s.run(b.cores.server, true, "env", "HOME="+home, "vlc", "-I", "dummy", "--no-interact", "http://"+source+"/live.ts",
			"--sout", "#std{access="+access+",dst="+dst+"}")
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}
