package host

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/weir-media/weir/host/internal/config"
)

// configFile is the absolute path of the file that the server was started with; empty
// for the built-in configuration.
func (s *Server) configFile() string { return absolute(s.options.ConfigPath) }

func absolute(path string) string {
	if path == "" {
		return ""
	}
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

// codeFile is the absolute path of a plugin's module or executable; empty if it is
// built in.
func codeFile(p config.Plugin) string { return absolute(p.Module + p.Exec) } // one of them is empty

// files are those that decide what runs, or would if the configuration had not been
// refused for one of them. Watching.
func (w *watching) files() (files []string) {
	if f := w.s.configFile(); f != "" {
		files = append(files, f)
	}
	for _, c := range []*config.Config{w.s.config(), w.wanted} {
		if c == nil {
			continue
		}
		files = append(files, secretsOf(c)...)
		for _, p := range c.Plugins {
			if f := codeFile(p); f != "" && p.Enabled {
				files = append(files, f)
			}
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// take puts files in force that are not what they were. Watching.
func (w *watching) take(changed []string) {
	s := w.s
	if f := s.configFile(); slices.Contains(changed, f) && w.tried[f] != s.config().Hash() || w.wanted != nil {
		s.log.Info("files have changed", "files", strings.Join(changed, " "))
		s.hangup()
		w.wanted = nil
		if w.tried[f] != s.config().Hash() {
			w.wanted, _ = loadConfig(s.options) // nil if no plugin can be what is wrong with it
			w.follow()
		}
		return
	}
	w.wanted = nil
	w.putBack(changed)
	isSecret := func(f string) bool { return slices.Contains(secretsOf(s.config()), f) }
	if secrets := slices.DeleteFunc(slices.Clone(changed), func(f string) bool { return !isSecret(f) }); len(secrets) > 0 {
		s.takeSecrets(secrets)
	}
	if names := w.renewed(changed); len(names) > 0 {
		s.log.Info("files have changed", "plugins", strings.Join(names, " "))
		s.takeModules(names)
	}
}

// secretsOf are the absolute paths of the files that a configuration reads by itself: its
// users, and the secrets of its webhooks.
func secretsOf(c *config.Config) (files []string) {
	if c.Access.UsersFile != "" {
		files = append(files, absolute(c.Access.UsersFile))
	}
	for _, h := range c.Webhooks {
		if h.SecretFile != "" {
			files = append(files, absolute(h.SecretFile))
		}
	}
	return files
}

// takeSecrets has the configuration that runs, which need not be that of the file, read its
// users and the secrets of its webhooks again.
func (s *Server) takeSecrets(files []string) {
	text := strings.Join(files, " ")
	s.log.Info("files are read again", "files", text)
	s.changes.mu.Lock()
	defer s.changes.mu.Unlock()
	c := s.config()
	if _, err := s.changeTo(c, true); err != nil {
		s.changes.refused.note("what is new in "+text, []string{}, err) // neither the configuration's file nor a plugin's
		s.logRefusal("changed files not taken", c.File, err)
	}
}

// putBack notices that files that were refused are again what runs. Watching.
func (w *watching) putBack(changed []string) {
	refused := &w.s.changes.refused
	names, isFile := refused.of()
	if isFile && slices.Contains(changed, w.s.configFile()) { // with the hash of what runs, or take would have tried it
		refused.clear()
	}
	isOther := func(name string) bool {
		c, _ := w.s.config().Plugin(name)
		r := w.s.room.Runner(name)
		return r != nil && r.Generation() != nil && r.Generation().Hash() != w.tried[codeFile(c)]
	}
	if len(names) > 0 && !slices.ContainsFunc(names, isOther) {
		refused.clear()
	}
}

// renewed names the plugins that do not run what these files hold now. Watching.
func (w *watching) renewed(changed []string) (names []string) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	for _, c := range w.s.config().Plugins {
		f, p := codeFile(c), w.s.plugins[c.Name]
		if p == nil || p.off != "" || !slices.Contains(changed, f) {
			continue
		}
		if g := p.runner.Generation(); g == nil || g.Hash() != w.tried[f] {
			names = append(names, c.Name)
		}
	}
	return names
}

// takeModules puts the new files of plugins in force under the configuration that runs:
// of those that run all or none, and each that has never started.
func (s *Server) takeModules(names []string) {
	fresh := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return s.room.Runner(name).Generation() != nil })
	if len(fresh) < len(names) {
		s.changes.mu.Lock()
		c := s.config()
		_, err := s.changeTo(c, true)
		s.changes.mu.Unlock()
		if err != nil {
			s.changes.refused.note("the new build of "+strings.Join(names, ", "), names, err)
			s.logRefusal("changed plugins not taken", c.File, err)
			s.log.Warn("what ran runs on", "plugins", strings.Join(names, " "))
		}
	}
	for _, name := range fresh {
		if err := s.EnablePlugin(name); err != nil {
			s.log.Error("changed plugin not started", "plugin", name, "error", err)
		}
	}
}
