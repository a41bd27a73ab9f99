package manifest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

const whole = `name: wmsp
version: 0.1.0
abi: "1.0"
summary: Windows Media HTTP streaming for players
roles: [control, packager, announce, format, source]
features: {required: [documents], optional: [grease]}
listens:
  http:
    - {name: play, methods: [GET, POST], path: "/{point}", agents: ["NSPlayer/"]}
  raw:
    - {name: mms, offset: 4, hex: "CE FA 0B B0", mask: "ffffffff"}
  udp: [{name: ts, hex: "47"}, {name: any}]
consumes: ["bytes:asf"]
produces: [asf]
packages: [{from: asf, to: mmsh, payload: all}, {from: asf, to: x, payload: 64}, {from: asf, to: y}]
sources: [file]
documents: [{format: asx, type: "video/x-ms-asf"}, {format: nsc, type: application/x-ms-nsc, paths: ["/{point}.nsc", "/x/{point}"]}]
plays: [{scheme: mms, rank: 10, rendition: mmsh, suffix: ".asf"}]
capabilities: [attach, read]
state: {schema: wmsp/1, accepts: [wmsp/0]}
limits: {memory: 32MiB, event: 50ms, packets: 10ms}
refusal: {status: 503, retry_after: 2s, type: text/plain, body: "soon", server: Cougar/9.6}
config:
  type: object
  additionalProperties: false
  properties:
    burst: {type: integer, minimum: 1}
    names: {type: array, items: {type: string}}
`

func parsedOK(t *testing.T, text string) *Manifest {
	t.Helper()
	m, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestParseWhole(t *testing.T) {
	m := parsedOK(t, whole)
	m.Config = Schema{}
	want := &Manifest{
		Name: "wmsp", Version: "0.1.0", ABI: "1.0", Summary: "Windows Media HTTP streaming for players",
		Roles:    []Role{RoleControl, RolePackager, RoleAnnounce, RoleFormat, RoleSource},
		Features: Features{Required: []string{"documents"}, Optional: []string{"grease"}},
		Listens: Listens{
			HTTP: []HTTPRoute{{Name: "play", Methods: []string{"GET", "POST"}, Path: MustPath("/{point}"), Agents: []string{"NSPlayer/"}}},
			Raw:  []RawPattern{{Name: "mms", Offset: 4, Bytes: []byte{0xCE, 0xFA, 0x0B, 0xB0}, Mask: []byte{255, 255, 255, 255}}},
			UDP:  []RawPattern{{Name: "ts", Bytes: []byte{0x47}}, {Name: "any"}},
		},
		Offers: Offers{
			Consumes: []string{"bytes:asf"}, Produces: []string{"asf"}, Sources: []string{"file"},
			Packages: []Package{{"asf", "mmsh", PayloadAll}, {"asf", "x", 64}, {"asf", "y", 0}},
			Documents: []Document{
				{"asx", "video/x-ms-asf", []Path{MustPath("/{point}.asx")}, false},
				{"nsc", "application/x-ms-nsc", []Path{MustPath("/{point}.nsc"), MustPath("/x/{point}")}, false},
			},
			Plays: []Play{{"mms", 10, "mmsh", ".asf"}},
		},
		Capabilities: []Capability{CapAttach, CapRead},
		State:        State{"wmsp/1", []string{"wmsp/0"}},
		Limits:       Limits{32 * MiB, 50 * time.Millisecond, 10 * time.Millisecond},
		Refusal:      Refusal{503, 2 * time.Second, "text/plain", "soon", "Cougar/9.6"},
	}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("got  %+v\nwant %+v", m, want)
	}
	if !m.HasRole(RoleFormat) || m.Asks(CapDial) || !m.Asks(CapRead) {
		t.Error("HasRole or Asks is wrong")
	}
}

const head = "name: a\nversion: 1.0.0\nabi: \"1.0\"\nroles: [control]\n"

// doubling is a schema of n definitions that each refer twice to the next.
func doubling(n int) string {
	var b strings.Builder
	b.WriteString("config:\n  $ref: '#/$defs/d0'\n  $defs:\n")
	for i := range n {
		fmt.Fprintf(&b, "    d%d: {allOf: [{$ref: '#/$defs/d%d'}, {$ref: '#/$defs/d%d'}]}\n", i, i+1, i+1)
	}
	fmt.Fprintf(&b, "    d%d: {type: object}\n", n)
	return b.String()
}

func TestSchemaReferences(t *testing.T) {
	m := parsedOK(t, head+doubling(5))
	if err := m.CheckConfig(map[string]any{"a": 1}); err != nil {
		t.Error(err)
	}
	m = parsedOK(t, head+"config: {properties: {a: {$ref: '#/$defs/port'}, $ref: {type: string}}, $defs: {port: {type: integer, maximum: 65535}}}")
	if err := m.CheckConfig(map[string]any{"a": 70000}); err == nil || !strings.Contains(err.Error(), "config.a: ") {
		t.Errorf("got %v", err)
	}
}

func TestParseProblems(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "plugin.yaml: is empty; write at least"},
		{"not yaml", "a: [", "plugin.yaml: line 1: "},
		{"list", "[a]", "plugin.yaml:1: is not a mapping"},
		{"unknown", head + "nmae: b", `plugin.yaml:5: nmae: unknown key; did you mean "name"?`},
		{"unknown below", head + "listens:\n  http:\n    - methods: [GET]\n      pth: /", "plugin.yaml:8: listens.http[0].pth: unknown key"},
		{"twice", head + "name: b", "plugin.yaml:5: name: stands twice"},
		{"missing", "name: a\nversion: 1.0.0\nabi: '1.0'\n", "plugin.yaml:1: roles: is missing; write at least one of"},
		{"name", strings.Replace(head, "name: a", "name: A_", 1), `plugin.yaml:1: name: "A_" does not fit; write`},
		{"abi", strings.Replace(head, `"1.0"`, `1`, 1), `plugin.yaml:3: abi: "1" does not fit; write MAJOR.MINOR in quotes`},
		{"role", strings.Replace(head, "control", "boss", 1), `plugin.yaml:4: roles[0]: "boss" is unknown; choose among [control`},
		{"capability", head + "capabilities: [attach, fly]", `plugin.yaml:5: capabilities[1]: "fly" is unknown`},
		{"capability twice", head + "capabilities: [attach, attach]", `capabilities[1]: "attach" stands twice`},
		{"path", head + "listens: {http: [{name: a, methods: [GET], path: 'x'}]}", `listens.http[0].path: path "x" does not begin with '/'`},
		{"no path", head + "listens: {http: [{name: a, methods: [GET]}]}", "listens.http[0].path: is missing"},
		{"method", head + "listens: {http: [{name: a, methods: [get], path: /}]}", `methods[0]: "get" does not fit`},
		{"hex", head + "listens: {raw: [{name: a, hex: 'c'}]}", `listens.raw[0].hex: "c" is not hexadecimal`},
		{"mask", head + "listens: {raw: [{name: a, hex: 'cc', mask: 'ffff'}]}", "listens.raw[0].mask: has 2 bytes, the pattern 1"},
		{"mask all", head + "listens: {raw: [{name: a, hex: 'cc', mask: '00'}]}", "masks everything"},
		{"offset", head + "listens: {raw: [{name: a, hex: 'cc', offset: 64}]}", "listens.raw[0].offset: offset and pattern leave the first 64"},
		{"udp offset without hex", head + "listens: {udp: [{name: a, offset: 4}]}", "listens.udp[0].hex: is missing beside offset or mask"},
		{"udp offset", head + "listens: {udp: [{name: a, hex: 'cc', offset: 64}]}", "listens.udp[0].offset: offset and pattern leave the first 64"},
		{"offset text", head + "listens: {raw: [{name: a, hex: 'cc', offset: x}]}", `"x" is not a whole number`},
		{"packages without role", head + "packages: [{from: a, to: b}]", `packages: stands without the role "packager"`},
		{"role without packages", strings.Replace(head, "control", "packager", 1), "roles: has packager, but packages is missing"},
		{"payload", head + "packages: [{from: a, to: b, payload: -1}]", `packages[0].payload: payload "-1"; write none, all`},
		{"memory", head + "limits: {memory: 32MB}", `limits.memory: "32MB" is not a size; write a whole number with B`},
		{"memory low", head + "limits: {memory: 3}", "limits.memory: is 3B; choose 64KiB to 4GiB"},
		{"event", head + "limits: {event: 50}", `limits.event: "50" is not a duration`},
		{"packets", head + "limits: {packets: 11s}", `limits.packets: is 11s; choose more than 0 and at most 10s`},
		{"state", head + "state: {schema: w}", `state.schema: "w" does not fit; write NAME/NUMBER`},
		{"refusal", head + "refusal: {status: 200}", "refusal.status: is 200; choose 400 to 599"},
		{"refusal server", head + `refusal: {server: "a\r\nb: c"}`, "refusal.server:"},
		{"schema", head + "config: {type: nothing}", "plugin.yaml:5: config: not a usable JSON Schema"},
		{"schema scalar", head + "config: 3", "a schema is a mapping"},
		{"schema abroad", head + "config: {$ref: 'file:///etc/passwd'}", "leads nowhere inside the manifest; refer to '#/$defs/NAME'"},
		{"schema circle", head + "config: {$ref: '#/$defs/a', $defs: {a: {items: {$ref: '#/$defs/a'}}}}", "goes in a circle"},
		{"schema root", head + "config: {properties: {a: {$ref: '#'}}}", "leads nowhere inside the manifest"},
		{"schema id", head + "config: {$id: 'http://x'}", "$id is not read; refer with"},
		{"schema dialect", head + "config: {$schema: 'http://json-schema.org/draft-04/schema#'}", "or leave it out"},
		{"schema doubling", head + doubling(20), "more than 10000 parts once its references are written out"},
		{"schema deep", head + "config: " + strings.Repeat("{not: ", 9000) + "{}" + strings.Repeat("}", 9000), "more than 64 levels deep"},
		{"alias", head + "summary: &a x\nversion: *a", "plugin.yaml:5: anchors and aliases are not read"},
		{"null", head + "summary:", "plugin.yaml:5: summary: has no plain value"},
		{"huge", strings.Repeat("#", maxBytes+1), "has 262145 bytes; at most 262144"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Parse([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) || m != nil {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestParseReportsAllInOrder(t *testing.T) {
	_, err := Parse([]byte("name: A\nversion: 1\nabi: 2\nroles: [x]\n"))
	var ps Problems
	if !errors.As(err, &ps) || len(ps) != 4 {
		t.Fatalf("want 4 problems, got %v", err)
	}
	for i, p := range ps {
		if p.Line != i+1 {
			t.Errorf("problem %d has line %d", i, p.Line)
		}
	}
}

func TestValidateOfCode(t *testing.T) {
	m := parsedOK(t, head)
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	m.Name = ""
	if err := m.Validate(); err == nil || !strings.HasPrefix(err.Error(), "plugin.yaml: name: is missing") {
		t.Errorf("got %v", err)
	}
}

func TestCheckConfig(t *testing.T) {
	m := parsedOK(t, whole)
	for _, c := range []struct {
		config any
		want   string
	}{
		{nil, ""},
		{map[string]any{"burst": 3, "names": []any{"a"}}, ""},
		{map[string]any{"burst": 0}, "config.burst: "},
		{map[string]any{"burst": "x"}, "config.burst: got string, want integer"},
		{map[string]any{"names": []any{"a", 2}}, "config.names.1: got number, want string"},
		{map[string]any{"brust": 3}, "config.brust: unknown key; did you mean \"burst\"?"},
		{map[string]any{"burst": func() {}}, "config: not expressible in JSON"},
		{"text", "config: got string, want object"},
	} {
		err := m.CheckConfig(c.config)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: got %v, want %q", c.config, err, c.want)
		}
		var p *ConfigProblem
		if err != nil && !errors.As(err, &p) {
			t.Errorf("%v: %T is no ConfigProblem", c.config, err)
		}
	}
	bare := parsedOK(t, head)
	if err := bare.CheckConfig(map[string]any{}); err != nil {
		t.Error(err)
	}
	if err := bare.CheckConfig(map[string]any{"a": 1}); err == nil || !strings.Contains(err.Error(), `plugin "a" takes no configuration`) {
		t.Errorf("got %v", err)
	}
}

func TestSize(t *testing.T) {
	for s, want := range map[string]Size{"0": 0, "12": 12, "12B": 12, "64KiB": 64 * KiB, "32MiB": 32 * MiB, "1GiB": GiB} {
		got, err := ParseSize(s)
		if err != nil || got != want {
			t.Errorf("%s: got %d, %v", s, got, err)
		}
		again, err := ParseSize(got.String())
		if err != nil || again != got {
			t.Errorf("%s: String gives %q", s, got)
		}
	}
	for _, s := range []string{"", "B", "MiB", "1.5MiB", "-1", "32MB", "32mib", "99999999999GiB", " 1", "+1"} {
		if got, err := ParseSize(s); err == nil {
			t.Errorf("%q: accepted as %d", s, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(head))
	f.Add([]byte(head + "config: {$ref: '#'}"))
	f.Add([]byte(head + "config: {allOf: [{$ref: '#/x'}], x: {$ref: '#'}, pattern: '(', $id: 'a:b'}"))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("? [a]\n: b\n<<: {name: x}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if (m == nil) == (err == nil) {
			t.Fatal("either a manifest or an error")
		}
		if m == nil {
			_ = err.Error()
			return
		}
		if err := m.Validate(); err != nil {
			t.Fatalf("parsed, but not valid: %v", err)
		}
		_ = m.CheckConfig(map[string]any{"a": 1})
		_, _ = Compile([]Source{{"a", "web", m}})
	})
}

func FuzzSize(f *testing.F) {
	for _, s := range []string{"32MiB", "1", "18446744073709551615B", "17179869184GiB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseSize(s)
		if err != nil {
			return
		}
		if again, err := ParseSize(n.String()); err != nil || again != n {
			t.Fatalf("%q is %d, written %q", s, n, n)
		}
	})
}
