package host

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/proc"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

// goFloor is the memory below which no plugin that is written in Go starts (abi.md,
// "Traps met").
const goFloor = 16 << 20

// contained judges how a plugin is kept from doing harm. m is nil where it is not known.
func (x *crossing) contained(p config.Plugin, m *manifest.Manifest) {
	key := func(steps ...string) []string { return append([]string{"plugins", p.Name}, steps...) }
	if p.Exec != "" { // who runs it is judged with the program itself
		const sandbox = "a process is no sandbox: it can do what its user can, and grant: bounds only what it has weir do; prefer a module where one will do"
		x.doubt(sandbox, key("exec")...)
		x.confined(p, key)
	}
	if memory := p.Limits.Memory; memory > 0 && memory < goFloor && p.Exec == "" && isGo(p) {
		text := fmt.Sprintf("%v is too little for a plugin that is written in Go; write %v or more", manifest.Size(memory), manifest.Size(goFloor))
		x.doubt(text, key("limits", "memory")...)
	}
	if m == nil {
		return
	}
	x.asked(p, m, key)
	if p.Drain == 0 && m.State.Schema != "" {
		x.doubt("is 0s: sessions whose state a new version cannot read end at once; write how long they may go on with the old one", key("drain")...)
	}
}

// confined judges whom a program has besides it, and what it may leave behind.
func (x *crossing) confined(p config.Plugin, key func(...string) []string) {
	if os.Geteuid() != 0 || p.User == "" {
		x.doubt("weir is not root: a process that the program starts, and that leaves its group, outlives it and its limits; run weir as root, with user:", key("exec")...)
	} else if !proc.Isolates() {
		x.doubt("weir may not make process namespaces here (CAP_SYS_ADMIN): a process that the program starts, and that leaves its group, outlives it and its limits",
			key("exec")...)
	}
	for _, other := range x.c.Plugins {
		if other.Name == p.Name {
			return // later ones tell of this one
		}
		if other.Enabled && other.Exec != "" && other.User == p.User && p.User != "" {
			text := fmt.Sprintf("%s runs %s too: each can end the other, and read and change what it has; give each a user of its own", p.User, other.Name)
			x.doubt(text, key("user")...)
			return
		}
	}
}

// asked compares the limits in force with those that the manifest asks for, where the
// configuration does not set them.
func (x *crossing) asked(p config.Plugin, m *manifest.Manifest, key func(...string) []string) {
	l := plugin.InForce(granted(p.Limits), m.Limits)
	less := func(name, asked, has string) {
		text := fmt.Sprintf("%s asks for %s and gets %s, which may be too little; write limits: {%s: %s} if it may have that", p.Name, asked, has, name, asked)
		x.doubt(text, key("limits", name)...)
	}
	if asked := m.Limits.Memory; p.Limits.Memory == 0 && uint64(asked) > l.Memory && p.Exec == "" { // a process takes more in any case
		less("memory", asked.String(), manifest.Size(l.Memory).String())
	}
	for _, t := range []struct {
		name             string
		asked, has, slow time.Duration
		isSet            bool
	}{
		{"event", m.Limits.Event, l.Event, p.Limits.SlowEvent, p.Limits.Event > 0},
		{"packets", m.Limits.Packets, l.Packets, p.Limits.SlowPackets, p.Limits.Packets > 0},
	} {
		if t.asked > t.has && !t.isSet {
			less(t.name, t.asked.String(), t.has.String())
		}
		if t.slow > t.has {
			text := fmt.Sprintf("%v is longer than %s, %v: nothing is ever counted as slow; write less", t.slow, t.name, t.has)
			x.doubt(text, key("limits", "slow_"+t.name)...)
		}
	}
}

// isGo tells whether a module was built by Go, which leaves a section of that name.
func isGo(p config.Plugin) bool {
	if p.Builtin != "" {
		return true
	}
	code, err := wasm.ReadModule(p.Module)
	return err == nil && bytes.Contains(code, []byte("go:buildid"))
}

// watched looks for folders in which anybody may change what runs.
func (x *crossing) watched() {
	if !x.c.Watch {
		return
	}
	told := map[string]bool{}
	look := func(file string, key ...string) {
		folder := filepath.Dir(file)
		st, err := os.Stat(folder)
		if file == "" || err != nil || told[folder] || st.Mode().Perm()&0o002 == 0 || st.Mode()&os.ModeSticky != 0 {
			return
		}
		told[folder] = true
		text := fmt.Sprintf("everybody may put files into %s, and watch: true runs them at once; take that right away (chmod o-w), or remove watch", folder)
		x.doubt(text, key...)
	}
	for _, p := range x.c.Plugins {
		if p.Enabled {
			look(p.Module, "plugins", p.Name, "module")
			look(p.Exec, "plugins", p.Name, "exec")
		}
	}
}
