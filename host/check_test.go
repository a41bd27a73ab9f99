package host

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/internal/access"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/manifest"
)

// pairOfFiles writes a certificate and its key into a folder.
func pairOfFiles(t *testing.T, dir, cert, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// manifestsOf are what the plugins of TestCrossCheck declare.
func manifestsOf() map[string]*manifest.Manifest {
	return map[string]*manifest.Manifest{
		"push": {Name: "push", Listens: manifest.Listens{HTTP: []manifest.HTTPRoute{{Name: "push"}}}, Capabilities: []manifest.Capability{manifest.CapPublish}},
		"udp": {
			Name: "udp", Listens: manifest.Listens{UDP: []manifest.RawPattern{{Name: "ts"}}}, Offers: manifest.Offers{Sources: []string{"udp"}},
			Capabilities: []manifest.Capability{manifest.CapPublish, manifest.CapDial},
		},
		"rtsp": {Name: "rtsp", Listens: manifest.Listens{RTSP: true}, Capabilities: []manifest.Capability{manifest.CapPublish}},
		"asf":  {Name: "asf"},
	}
}

func TestCrossCheck(t *testing.T) {
	dir := t.TempDir()
	pairOfFiles(t, dir, "cert.pem", "key.pem")
	pairOfFiles(t, dir, "other.pem", "other.key")
	const head = "listeners:\n  web: {address: '127.0.0.1:80'LISTENER}\n  in: {protocol: udp, address: '127.0.0.1:80'}\nplugins:\n"
	const push, udp = "  push: {module: m, listeners: [web], grant: {publish: ['*']}}\n", "  udp: {module: m, listeners: [in], grant: {publish: ['*'], dial: ['udp:*:*']}}\n"
	for name, c := range map[string]struct{ listener, rest, want string }{
		"good":                {", tls: {cert: cert.pem, key: key.pem}, fallback: {files: .}", push + udp + "points: {a: {source: push}, b: {source: {url: 'udp:x'}}}", ""},
		"no certificate":      {", tls: {cert: none.pem, key: key.pem}", push + udp, "!f.yaml:2: listeners.web.tls.cert: DIR/none.pem: no such file or directory; name a PEM file"},
		"no key":              {", tls: {cert: cert.pem, key: none.pem}", push + udp, "!f.yaml:2: listeners.web.tls.key: DIR/none.pem: no such file"},
		"another's key":       {", tls: {cert: cert.pem, key: other.key}", push + udp, "!f.yaml:2: listeners.web.tls: private key does not match public key; name a certificate chain and its own key"},
		"no PEM":              {", tls: {cert: key.pem, key: key.pem}", push + udp, "!f.yaml:2: listeners.web.tls: failed to find"},
		"no folder":           {", fallback: {files: none}", push + udp, "!f.yaml:2: listeners.web.fallback.files: DIR/none: no such file"},
		"a file":              {", fallback: {files: cert.pem}", push + udp, "!f.yaml:2: listeners.web.fallback.files: DIR/cert.pem is no folder"},
		"disabled":            {", enabled: false, fallback: {files: none}", "  push: {module: m, listeners: [web]}\n" + udp, ""},
		"TCP plugin on UDP":   {"", push + udp + "  more: {module: m, listeners: [in]}\n", "!f.yaml:7: plugins.more.listeners.0: more listens to no datagrams, and in is protocol: udp"},
		"UDP plugin on TCP":   {"", push + strings.Replace(udp, "[in]", "[in, web]", 1), "!f.yaml:6: plugins.udp.listeners.1: udp listens to datagrams alone, and web is TCP"},
		"unused listener":     {"", udp, "f.yaml:2: listeners.web: no enabled plugin takes connections here"},
		"listener unnamed":    {"", push + strings.Replace(udp, "listeners: [in], ", "", 1), "f.yaml:6: plugins.udp: takes connections, but names no listener; add listeners: [in, web]"},
		"nothing to listen":   {"", push + udp + "  asf: {module: m, listeners: [web]}\n", "f.yaml:7: plugins.asf.listeners.0: asf listens to nothing"},
		"not asked":           {"", strings.Replace(push, "'*'", "'*'], attach: ['*'", 1) + udp, "f.yaml:5: plugins.push.grant.attach: push does not ask for it"},
		"grant of no point":   {"", strings.Replace(push, "'*'", "live, 'live/*'", 1) + udp + "points: {live: {source: push}}", `f.yaml:5: plugins.push.grant.publish.1: "live/*" fits no point`},
		"nobody may push":     {"", strings.Replace(push, "'*'", "b", 1) + strings.Replace(udp, "'*'", "b", 1) + "points: {a: {source: push}, b: {source: push}}", "f.yaml:7: points.a.source: no enabled plugin that encoders reach may publish it"},
		"nobody starts":       {"", push + udp + "points: {a: {source: {url: 'http://x'}}}", "f.yaml:7: points.a.source.url: no enabled plugin that starts http: sources may publish it"},
		"who may is disabled": {"", push + strings.Replace(udp, "{module", "{enabled: false, module", 1) + "points: {a: {source: {url: 'udp:x'}}}", "f.yaml:7: points.a.source.url: no enabled plugin"},
		"template":            {"", strings.Replace(push, "'*'", "'a/*', b", 1) + udp + "points: {b: {source: push}}\ntemplates: {'a/*': {}}", ""},
		"template of RTSP":    {"", strings.Replace(push, "'*'", "b", 1) + strings.Replace(udp, "'*'", "b", 1) + "  rtsp: {module: m, listeners: [web], grant: {publish: ['a/*']}}\npoints: {b: {source: push}}\ntemplates: {'a/*': {}}", ""},
		"template of nobody":  {"", strings.Replace(push, "'*'", "b", 1) + strings.Replace(udp, "'*'", "b", 1) + "points: {b: {source: push}}\ntemplates: {'a/*': {}}", "f.yaml:8: templates.a/*: no enabled plugin that encoders reach may publish such points"},
		"unreadable module":   {"", push + udp + "  broken: {module: m, grant: {publish: ['*']}}\npoints: {a: {source: {url: 'http://x'}}}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(head, "LISTENER", c.listener, 1) + c.rest
			conf, err := config.Options{}.Parse("f.yaml", dir, []byte(text), nil)
			if err != nil {
				t.Fatal(err)
			}
			manifests := manifestsOf()
			manifests["more"] = manifests["push"]
			wrong, doubtful := crossCheck(conf, manifests, nil)
			var got []string
			for _, p := range wrong {
				got = append(got, "!"+p.Error())
			}
			for _, p := range doubtful {
				got = append(got, p.Error())
			}
			want := strings.ReplaceAll(c.want, "DIR", dir)
			if want == "" && len(got) > 0 && name != "disabled" && name != "who may is disabled" ||
				want != "" && !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, want) }) ||
				name == "disabled" && len(wrong) > 0 {
				t.Errorf("got\n%s\nwant %s", strings.Join(got, "\n"), want)
			}
		})
	}
}

// TestCheckAccess: points that strangers may feed, and rules that cannot be what was meant.
func TestCheckAccess(t *testing.T) {
	dir := t.TempDir()
	line, err := access.NewLine("anna", "geheim", "elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "users"), []byte(line), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "broken"), []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const rest = "\nlisteners:\n  web: {address: 'ADDRESS'}\nplugins:\n  push: {module: m, listeners: [web], grant: {publish: ['*']}}\npoints: {a: {source: push, multicast: [{group: '239.192.7.7:26000'}]}}\n"
	const open = "f.yaml:6: points.a: whoever reaches 0.0.0.0:80 may feed it; say who may"
	for name, c := range map[string]struct{ access, address, want string }{
		"open":           {"", ":80", open},
		"loopback":       {"", "127.0.0.1:80", ""},
		"of some":        {"access: {rules: [{do: publish, from: [private]}]}", ":80", ""},
		"meant":          {"access: {rules: [{allow: true}]}", ":80", ""},
		"other point":    {"access: {rules: [{do: publish, points: [b], from: [private]}]}", ":80", open},
		"play alone":     {"access: {rules: [{do: play, from: [private]}]}", ":80", open},
		"no point":       {"access: {rules: [{do: publish, points: [b], from: [private]}]}", "127.0.0.1:80", `f.yaml:1: access.rules.0.points.0: "b" fits no point`},
		"never decides":  {"access: {rules: [{from: [private]}, {do: play, allow: true}]}", "127.0.0.1:80", "f.yaml:1: access.rules.1: never decides, since rule 0 before it"},
		"no such user":   {"access: {users_file: users, realm: elsewhere, rules: [{users: [bert]}]}", "127.0.0.1:80", `f.yaml:1: access.rules.0.users.0: there is no user "bert"`},
		"another realm":  {"access: {users_file: users, rules: [{users: ['*']}]}", "127.0.0.1:80", `f.yaml:1: access.users_file: user anna has hashes for Digest in realm "elsewhere"`},
		"seen by others": {"access: {users_file: users, rules: [{users: ['*']}]}", "127.0.0.1:80", "f.yaml:1: access.users_file: others than its owner may read or write it (mode 0644)"},
		"no file":        {"access: {users_file: none, rules: [{users: ['*']}]}", "127.0.0.1:80", "!f.yaml:1: access.users_file: DIR/none: no such file or directory; make it with: weir user add"},
		"broken file":    {"access: {users_file: broken, rules: [{users: ['*']}]}", "127.0.0.1:80", "!f.yaml:1: access.users_file: DIR/broken:1: no NAME:HASH"},
		"bad realm":      {"access: {realm: 'a:b', rules: [{allow: true}]}", "127.0.0.1:80", `!f.yaml:1: access.realm: "a:b" is no realm`},
		"a group":        {"access: {rules: [{do: play, users: [bert]}, {allow: true}], users_file: users}", "127.0.0.1:80", "f.yaml:6: points.a.multicast: whoever joins the group gets it"},
		"open group":     {"access: {rules: [{do: play, allow: true}]}", "127.0.0.1:80", ""},
		"unused file":    {"access: {users_file: users}", "127.0.0.1:80", "f.yaml:1: access.users_file: nothing names its users"},
	} {
		t.Run(name, func(t *testing.T) {
			conf, err := config.Options{}.Parse("f.yaml", dir, []byte(c.access+strings.Replace(rest, "ADDRESS", c.address, 1)), nil)
			if err != nil {
				t.Fatal(err)
			}
			wrong, doubtful := crossCheck(conf, manifestsOf(), nil)
			var got []string
			for _, p := range wrong {
				got = append(got, "!"+p.Error())
			}
			for _, p := range doubtful {
				got = append(got, p.Error())
			}
			want := strings.ReplaceAll(c.want, "DIR", dir)
			if want == "" && len(got) > 0 || !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, want) }) && want != "" {
				t.Errorf("got\n%s\nwant %s", strings.Join(got, "\n"), want)
			}
		})
	}
}
