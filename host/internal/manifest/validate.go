package manifest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-media/weir/abi/v1"
)

var (
	pluginName    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	versionText   = regexp.MustCompile(`^\d{1,9}\.\d{1,9}\.\d{1,9}(-[0-9A-Za-z.-]{1,64})?$`)
	abiText       = regexp.MustCompile(`^[1-9]\d{0,3}\.\d{1,4}$`)
	schemaName    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}/\d{1,9}$`)
	formatName    = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)
	consumeName   = regexp.MustCompile(`^(bytes:)?[a-z0-9][a-z0-9._-]{0,31}$`)
	routeName     = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,31}$`)
	schemeName    = regexp.MustCompile(`^[a-z][a-z0-9+.-]{0,31}$`) // RFC 3986 3.1, lower case
	methodName    = regexp.MustCompile(`^[A-Z]{1,16}$`)
	plainType     = regexp.MustCompile(`^[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}$`)       // RFC 6838 4.2
	mediaTypeText = regexp.MustCompile(`^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+( *;[ -~]*)?$`) // RFC 9110 8.3.1
	serverText    = regexp.MustCompile(`^[!-~]([ -~]{0,126}[!-~])?$`)                               // RFC 9110 10.2.4; the length is chosen
)

// Bounds on what a manifest may say.
const (
	maxSniffBytes   = 64               // chosen: what a listener waits for before it knows a raw protocol
	maxMemory       = 4 * GiB          // the address space of wasm32
	minMemory       = 64 * KiB         // one page of wasm32
	maxEvent        = 10 * time.Second // chosen: no event of a live server may take longer
	maxSummaryBytes = 200              // chosen: one line of a table
	maxListItems    = 256              // chosen: bounds the work that a stranger's manifest causes
)

var (
	allRoles = []Role{RoleControl, RoleSource, RolePackager, RoleAnnounce, RoleFormat}
	allCaps  = []Capability{CapListen, CapAttach, CapPublish, CapDial, CapGroup, CapRead, CapDocuments}
)

// Validate judges a Manifest that was built in code. Parse has done so already. Its error is Problems.
func (m *Manifest) Validate() error {
	if ps := m.problems(); len(ps) > 0 {
		return ps
	}
	return nil
}

func (m *Manifest) problems() Problems {
	var ps Problems
	ps.pattern("name", m.Name, pluginName, "a lower-case letter, then letters, digits and '-', at most 32")
	ps.pattern("version", m.Version, versionText, "MAJOR.MINOR.PATCH such as \"0.1.0\"")
	ps.pattern("abi", m.ABI, abiText, "MAJOR.MINOR in quotes, such as \"1.0\"")
	if major, _, _ := strings.Cut(m.ABI, "."); abiText.MatchString(m.ABI) && major != strconv.Itoa(abi.Major) {
		ps.add("abi", "is %s; this weir speaks ABI %d, so take a weir or a build of the plugin that fits", m.ABI, abi.Major)
	}
	if len(m.Summary) > maxSummaryBytes || !printableLine(m.Summary) {
		ps.add("summary", "is not one short line; write at most %d bytes without control characters", maxSummaryBytes)
	}
	if len(m.Roles) == 0 {
		ps.add("roles", "is missing; write at least one of %v", allRoles)
	}
	choices(&ps, "roles", m.Roles, allRoles)
	choices(&ps, "capabilities", m.Capabilities, allCaps)
	ps.patterns("features.required", m.Features.Required, routeName, "names of ABI features")
	ps.patterns("features.optional", m.Features.Optional, routeName, "names of ABI features")
	m.listensProblems(&ps)
	m.offersProblems(&ps)
	m.roleProblems(&ps)
	m.restProblems(&ps)
	return ps
}

func (m *Manifest) listensProblems(ps *Problems) {
	ps.bound("listens.http", len(m.Listens.HTTP))
	ps.bound("listens.raw", len(m.Listens.Raw))
	for i, h := range m.Listens.HTTP {
		key := fmt.Sprintf("listens.http[%d]", i)
		ps.pattern(key+".name", h.Name, routeName, "a short lower-case name such as \"play\", given to the plugin with each request")
		if h.Path == (Path{}) {
			ps.add(key+".path", "is missing; write for example \"/{point}\"")
		}
		if len(h.Methods) == 0 {
			ps.add(key+".methods", "is missing; write for example [GET]")
		}
		ps.patterns(key+".methods", h.Methods, methodName, "upper-case methods, such as [GET, POST]")
		ps.bound(key+".agents", len(h.Agents))
		for j, a := range h.Agents {
			if a == "" || len(a) > 256 || !printableLine(a) {
				ps.add(fmt.Sprintf("%s.agents[%d]", key, j), "is empty, long or unprintable; write part of a User-Agent, such as \"NSPlayer/\"")
			}
		}
	}
	m.typeProblems(ps)
	for i, p := range m.Listens.Raw {
		key := fmt.Sprintf("listens.raw[%d]", i)
		if len(p.Bytes) == 0 {
			ps.add(key+".hex", "is missing; write the bytes with which the protocol begins, such as \"ce fa 0b b0\"")
		}
		ps.sniff(key, p)
	}
	ps.bound("listens.udp", len(m.Listens.UDP))
	for i, p := range m.Listens.UDP {
		key := fmt.Sprintf("listens.udp[%d]", i)
		if len(p.Bytes) == 0 && (p.Offset != 0 || p.Mask != nil) {
			ps.add(key+".hex", "is missing beside offset or mask; write the bytes with which the protocol begins, or none of the three for every datagram")
		}
		ps.sniff(key, p)
	}
}

// typeProblems judges the media types of routes.
func (m *Manifest) typeProblems(ps *Problems) {
	for i, h := range m.Listens.HTTP {
		key := fmt.Sprintf("listens.http[%d].types", i)
		ps.bound(key, len(h.Types))
		for j, t := range h.Types {
			if !plainType.MatchString(t) {
				ps.add(fmt.Sprintf("%s[%d]", key, j), "is no media type in lower case without parameters; write for example \"application/x-wms-pushstart\"")
			}
		}
	}
}

// sniff judges how a connection or a flow begins.
func (ps *Problems) sniff(key string, p RawPattern) {
	ps.pattern(key+".name", p.Name, routeName, "a short lower-case name such as \"mms\"")
	switch {
	case len(p.Bytes) == 0:
	case p.Offset < 0 || p.Offset > maxSniffBytes-len(p.Bytes):
		ps.add(key+".offset", "offset and pattern leave the first %d bytes; choose bytes further ahead", maxSniffBytes)
	case p.Mask != nil && len(p.Mask) != len(p.Bytes):
		ps.add(key+".mask", "has %d bytes, the pattern %d; make them equally long", len(p.Mask), len(p.Bytes))
	case p.Mask != nil && !slices.ContainsFunc(p.Mask, func(b byte) bool { return b != 0 }):
		ps.add(key+".mask", "masks everything, so everything would match; leave some bits set")
	}
}

func (m *Manifest) offersProblems(ps *Problems) {
	const format = "names such as \"asf\": lower-case letters, digits, '.', '_' and '-'"
	ps.patterns("consumes", m.Consumes, consumeName, "\"bytes:FORMAT\" or a rendition's name")
	ps.patterns("produces", m.Produces, formatName, format)
	ps.patterns("sources", m.Sources, schemeName, "URL schemes without the colon, such as [file]")
	ps.bound("packages", len(m.Packages))
	ps.bound("documents", len(m.Documents))
	ps.bound("plays", len(m.Plays))
	for i, p := range m.Packages {
		key := fmt.Sprintf("packages[%d]", i)
		ps.pattern(key+".from", p.From, formatName, format)
		ps.pattern(key+".to", p.To, formatName, format)
		if p.From == p.To {
			ps.add(key+".to", "is %q like from; a packager makes another rendition", p.To)
		}
		if p.Payload < PayloadAll || p.Payload > maxPayloadBytes {
			ps.add(key+".payload", "is %d; write none, all or a number of bytes up to %d", int(p.Payload), maxPayloadBytes)
		}
	}
	for i, d := range m.Documents {
		key := fmt.Sprintf("documents[%d]", i)
		ps.pattern(key+".format", d.Format, formatName, format)
		ps.pattern(key+".type", d.Type, mediaTypeText, "a media type such as \"video/x-ms-asf\"")
		ps.bound(key+".paths", len(d.Paths))
		if d.Unserved && len(d.Paths) > 0 {
			ps.add(key+".paths", "stands beside served: false; keep one of them")
		}
		for j, p := range d.Paths {
			if p == (Path{}) {
				ps.add(fmt.Sprintf("%s.paths[%d]", key, j), "is empty; write for example \"/{point}.%s\"", d.Format)
			}
		}
	}
	for i, p := range m.Plays {
		key := fmt.Sprintf("plays[%d]", i)
		ps.pattern(key+".scheme", p.Scheme, schemeName, "a URL scheme without the colon, such as mms")
		ps.pattern(key+".rendition", p.Rendition, formatName, format)
		if len(p.Suffix) > 64 || !printable(p.Suffix) || strings.ContainsAny(p.Suffix, "{}#") {
			ps.add(key+".suffix", "%q cannot follow a point's name in a URL; write for example \".ts\"", p.Suffix)
		}
	}
}

// roleProblems holds sections and roles together: a section without its role would be dead text.
func (m *Manifest) roleProblems(ps *Problems) {
	for _, c := range []struct {
		key   string
		items int
		role  Role
	}{
		{"packages", len(m.Packages), RolePackager},
		{"documents", len(m.Documents), RoleAnnounce},
		{"sources", len(m.Sources), RoleSource},
		{"produces", len(m.Produces), RoleFormat},
	} {
		if c.items > 0 && !m.HasRole(c.role) {
			ps.add(c.key, "stands without the role %q; add it to roles", c.role)
		}
	}
	if m.HasRole(RolePackager) && len(m.Packages) == 0 {
		ps.add("roles", "has packager, but packages is missing; write [{from: …, to: …}]")
	}
	if m.HasRole(RoleFormat) && (len(m.Consumes) == 0 || len(m.Produces) == 0) {
		ps.add("roles", "has format, but consumes or produces is missing; write consumes: [\"bytes:FORMAT\"] and produces: [FORMAT]")
	}
}

func (m *Manifest) restProblems(ps *Problems) {
	if m.State.Schema != "" || len(m.State.Accepts) > 0 {
		ps.pattern("state.schema", m.State.Schema, schemaName, "NAME/NUMBER, such as \"wmsp/1\"")
	}
	ps.patterns("state.accepts", m.State.Accepts, schemaName, "NAME/NUMBER, such as [\"wmsp/1\"]")
	if s := m.Limits.Memory; s != 0 && (s < minMemory || s > maxMemory) {
		ps.add("limits.memory", "is %v; choose %v to %v", s, minMemory, maxMemory)
	}
	for _, l := range []struct {
		key  string
		time time.Duration
	}{{"limits.event", m.Limits.Event}, {"limits.packets", m.Limits.Packets}} {
		if l.time < 0 || l.time > maxEvent {
			ps.add(l.key, "is %v; choose more than 0 and at most %v", l.time, maxEvent)
		}
	}
	if s := m.Refusal.Status; s != 0 && (s < 400 || s > 599) {
		ps.add("refusal.status", "is %d; choose 400 to 599", s)
	}
	if d := m.Refusal.RetryAfter; d < 0 || d > time.Hour {
		ps.add("refusal.retry_after", "is %v; choose 0s to 1h", d)
	}
	if m.Refusal.Type != "" {
		ps.pattern("refusal.type", m.Refusal.Type, mediaTypeText, "a media type such as \"text/plain\"")
	}
	if m.Refusal.Server != "" {
		ps.pattern("refusal.server", m.Refusal.Server, serverText, "names and versions of at most 128 letters, such as \"Cougar/9.6\"")
	}
	if len(m.Refusal.Body) > 4096 {
		ps.add("refusal.body", "has %d bytes; at most 4096", len(m.Refusal.Body))
	}
}

func (ps *Problems) pattern(key, value string, want *regexp.Regexp, example string) {
	switch {
	case value == "":
		ps.add(key, "is missing; write %s", example)
	case !want.MatchString(value):
		ps.add(key, "%q does not fit; write %s", value, example)
	}
}

func (ps *Problems) patterns(key string, values []string, want *regexp.Regexp, example string) {
	ps.bound(key, len(values))
	for i, v := range values {
		item := fmt.Sprintf("%s[%d]", key, i)
		ps.pattern(item, v, want, example)
		if slices.Contains(values[:i], v) {
			ps.add(item, "%q stands twice; keep one", v)
		}
	}
}

func (ps *Problems) bound(key string, items int) {
	if items > maxListItems {
		ps.add(key, "has %d elements; at most %d", items, maxListItems)
	}
}

func choices[T ~string](ps *Problems, key string, values, known []T) {
	ps.bound(key, len(values))
	for i, v := range values {
		item := fmt.Sprintf("%s[%d]", key, i)
		if !slices.Contains(known, v) {
			ps.add(item, "%q is unknown; choose among %v", string(v), known)
		}
		if slices.Contains(values[:i], v) {
			ps.add(item, "%q stands twice; keep one", string(v))
		}
	}
}

func printableLine(s string) bool { return printable(strings.ReplaceAll(s, " ", "")) }
