package config

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// templateKeys are the keys of a template: those of a point to which encoders push, but
// for what two points cannot have at once.
func templateKeys() map[string]*shape {
	all := leaves("buffer", "grace", "on_lag", "max_lag", "latency", "burst_rate")
	all["limits"] = pointLimitKeys()
	all["about"] = aboutKeys()
	return all
}

// pointLimitKeys are the keys under limits of points and templates.
func pointLimitKeys() *shape {
	return keys(leaves("viewers", "buffer", "bandwidth", "viewer_bandwidth", "joins"))
}

// template reads the settings of points that are made when an encoder comes. Its name is
// a pattern of theirs.
func (l *loader) template(a at) Point {
	p := l.settings(a)
	p.Push = true
	if err := checkPattern(p.Name); err != nil {
		a.fail("%v", err)
	} else if what := wrongWithPointName(strings.ReplaceAll(p.Name, "*", "x")); what != "" {
		a.fail("no point's name fits it, since it %s; write for example \"studio/*\"", what)
	}
	return p
}

// Template gives the template that a point's name fits: of several, the one with the most
// literal characters.
func (c *Config) Template(name string) (Point, bool) {
	var best Point
	found := false
	for _, t := range c.Templates {
		if Pattern(t.Name).Match(name) && (!found || literals(t.Name) > literals(best.Name)) {
			best, found = t, true
		}
	}
	return best, found
}

func literals(pattern string) int {
	return utf8.RuneCountInString(pattern) - strings.Count(pattern, "*")
}

// CheckPointName says why no point can have that name, or nothing.
func CheckPointName(name string) error {
	if what := wrongWithPointName(name); what != "" {
		return errors.New("the name " + what + "; choose one such as live or sports/news")
	}
	return nil
}
