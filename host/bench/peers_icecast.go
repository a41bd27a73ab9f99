package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// icecast is Icecast 2 with Debian's limits, but for the number of clients. It refuses to run as root.
var icecast = &contender{name: "icecast2", forms: []form{formTS}, missing: needs("icecast2"), start: startIcecast}

const icecastConfig = `<icecast>
  <hostname>localhost</hostname>
  <limits>
    <clients>30000</clients><sources>2</sources><queue-size>524288</queue-size><client-timeout>30</client-timeout>
    <header-timeout>15</header-timeout><source-timeout>10</source-timeout><burst-on-connect>1</burst-on-connect><burst-size>65535</burst-size>
  </limits>
  <authentication>
    <source-password>bench</source-password><relay-password>bench</relay-password>
    <admin-user>admin</admin-user><admin-password>bench</admin-password>
  </authentication>
  <listen-socket><port>%[1]d</port><bind-address>127.0.0.1</bind-address></listen-socket>
  <fileserve>0</fileserve>
  <paths><basedir>%[2]s</basedir><logdir>%[2]s</logdir><webroot>%[2]s</webroot><adminroot>%[2]s</adminroot></paths>
  <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>2</loglevel></logging>
  <security><chroot>0</chroot></security>
</icecast>
`

func startIcecast(b *bench, j job) (*service, error) {
	port, err := b.ports.take()
	if err != nil {
		return nil, err
	}
	logs := filepath.Join(b.dir, "icecast")
	if err = os.MkdirAll(logs, 0o777); err != nil {
		return nil, err
	}
	if err = os.Chmod(logs, 0o777); err != nil { // whatever the umask says: it writes there as nobody
		return nil, err
	}
	path, err := b.file("icecast.xml", fmt.Sprintf(icecastConfig, port, logs))
	if err != nil {
		return nil, err
	}
	s := &service{url: fmt.Sprintf("http://127.0.0.1:%d/live.ts", port)}
	if s.server, err = s.run(b.cores.server, true, "icecast2", "-c", path); err != nil {
		return nil, err
	}
	if err = until(patience, s.server, func() (bool, error) { return answers(fmt.Sprintf("127.0.0.1:%d", port)) }); err == nil {
		err = s.feed(b, j, "put", fmt.Sprintf("http://source:bench@127.0.0.1:%d/live.ts", port))
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}
