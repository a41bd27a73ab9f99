package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

var (
	// nginxRTMP is nginx with libnginx-mod-rtmp as its documentation's example has it. Its viewers speak RTMP, its stream is FLV.
	nginxRTMP = &contender{name: "nginx-rtmp", forms: []form{formTS}, missing: noRTMP, start: startNginxRTMP}
	// nginxTLS is nginx as what stands before a streaming server: it passes each viewer's own connection to the floor on, encrypted.
	nginxTLS = &contender{name: "nginx, TLS proxy", forms: []form{formTLS}, missing: needs("nginx"), start: startNginxTLS}
	// nginxFile is the least that TLS costs nginx: a file from the page cache, at the rate of the stream.
	nginxFile = &contender{name: "nginx, TLS file at limit_rate", forms: []form{formTLS}, missing: needs("nginx"), start: startNginxFile}
)

// needs says which programs a contender lacks.
func needs(programs ...string) func(*bench) string {
	return func(*bench) string {
		for _, p := range programs {
			if _, err := exec.LookPath(p); err != nil {
				return p + " is not installed"
			}
		}
		return ""
	}
}

func noRTMP(b *bench) string {
	if no := needs("nginx")(b); no != "" {
		return no
	}
	path, err := b.file("nginx-try.conf", nginxHead(b, "try")+"load_module modules/ngx_rtmp_module.so;\nevents {}\n")
	if err != nil {
		return err.Error()
	}
	if out, err := exec.Command("nginx", "-t", "-q", "-c", path).CombinedOutput(); err != nil {
		return "libnginx-mod-rtmp is not installed: " + strings.TrimSpace(string(out))
	}
	return ""
}

// nginxHead makes nginx one process that this program can end.
func nginxHead(b *bench, name string) string {
	pid := filepath.Join(b.dir, "nginx-"+name+".pid")
	return fmt.Sprintf("daemon off;\nmaster_process off;\npid %s;\nerror_log stderr crit;\nworker_rlimit_nofile 100000;\n", pid)
}

const nginxEvents = "events { worker_connections 65000; }\n"

func (s *service) nginx(b *bench, name, config string) error {
	path, err := b.file("nginx-"+name+".conf", config)
	if err != nil {
		return err
	}
	s.server, err = s.run(b.cores.server, false, "nginx", "-e", "stderr", "-c", path)
	return err
}

func startNginxRTMP(b *bench, j job) (*service, error) {
	port, err := b.ports.take()
	if err != nil {
		return nil, err
	}
	at := fmt.Sprintf("127.0.0.1:%d", port)
	s := &service{url: "rtmp://" + at + "/live/s"}
	if err = s.nginx(b, "rtmp", "load_module modules/ngx_rtmp_module.so;\n"+nginxHead(b, "rtmp")+nginxEvents+
		"rtmp { server { listen "+at+"; chunk_size 4096; application live { live on; } } }\n"); err != nil {
		return nil, err
	}
	if err = until(patience, s.server, func() (bool, error) { return answers(at) }); err == nil {
		err = s.feed(b, j, "rtmp", s.url)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// nginxWeb starts nginx with a web server that speaks TLS.
func nginxWeb(b *bench, location string) (*service, error) {
	port, err := b.ports.take()
	if err != nil {
		return nil, err
	}
	at := fmt.Sprintf("127.0.0.1:%d", port)
	s := &service{url: "https://" + at + "/live.ts"}
	config := fmt.Sprintf("%s%shttp { access_log off; client_body_temp_path %[3]s/body; proxy_temp_path %[3]s/proxy; fastcgi_temp_path %[3]s/f;\n"+
		"uwsgi_temp_path %[3]s/u; scgi_temp_path %[3]s/s;\nserver { listen %s ssl; ssl_certificate %s; ssl_certificate_key %s; location / { %s } } }\n",
		nginxHead(b, "tls"), nginxEvents, b.dir, at, b.certificate, b.key, location)
	if err = s.nginx(b, "tls", config); err != nil {
		return nil, err
	}
	if err = until(patience, s.server, func() (bool, error) { return answers(at) }); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func startNginxTLS(b *bench, j job) (*service, error) {
	port, err := b.ports.take()
	if err != nil {
		return nil, err
	}
	s, err := nginxWeb(b, fmt.Sprintf("proxy_pass http://127.0.0.1:%d; proxy_buffering off; proxy_http_version 1.1;", port))
	if err != nil {
		return nil, err
	}
	origin, err := s.run(b.cores.load, false, b.tools.writefan, "-l", fmt.Sprint(port), "-r", fmt.Sprint(j.kbit), "-c", fmt.Sprint(j.chunk))
	if err != nil {
		s.close()
		return nil, err
	}
	s.others = append(s.others, origin)
	return s, nil
}

func startNginxFile(b *bench, j job) (*service, error) {
	path, err := b.media("ts", j.kbit)
	if err != nil {
		return nil, err
	}
	return nginxWeb(b, fmt.Sprintf("rewrite .* /%s break; root %s; limit_rate %d;", filepath.Base(path), filepath.Dir(path), j.kbit*1000/8))
}
