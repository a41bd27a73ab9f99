package host

import (
	"fmt"
	"strings"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/point"
)

// templates makes the points that plugins.yaml does not name, but of which it has a
// template.
type templates struct{ s *Server }

// Fits gives the template that a name fits; empty: none, or no point may have the name.
func (t templates) Fits(name string) string {
	c, ok := t.s.config().Template(name)
	if !ok || config.CheckPointName(name) != nil {
		return ""
	}
	return c.Name
}

// Make makes a point with the settings of the point like, or of the template.
func (t templates) Make(name, like string) (*point.Point, error) {
	now := t.s.config()
	c, ok := now.Template(name)
	if !ok {
		return nil, point.ErrNoSuch
	}
	if err := config.CheckPointName(name); err != nil {
		return nil, err
	}
	template := c.Name
	if like != "" {
		if c, ok = now.Point(like); !ok || !c.Push {
			return nil, fmt.Errorf("no point %q to which encoders push can be the template", like)
		}
	}
	return t.s.watchedPoint(madeOptions(c, name, template, like)), nil
}

// madeOptions are the options of a point that is made with these settings, which are the
// template's, or those of the point model.
func madeOptions(c config.Point, name, template, model string) point.Options {
	o := pointOptions(c)
	o.Name, o.Template, o.Model = name, template, model
	return o
}

// renewMade puts changed templates and models in force for the points that were made from
// them.
func (x *proposal) renewMade(all map[string]*point.Point) {
	for name, p := range all {
		o := p.Options()
		if o.Template == "" {
			continue
		}
		if c, ok := x.renewed(o); ok {
			p.SetOptions(madeOptions(c, name, o.Template, o.Model))
		}
	}
}

// renewed gives the new settings of a point that was made with these options; ok is false if
// they have not changed, or are there no more.
func (x *proposal) renewed(o point.Options) (c config.Point, ok bool) {
	from, steps := o.Template, x.templates
	if o.Model != "" {
		from, steps = o.Model, x.points
	}
	for _, step := range steps {
		if step.action != admin.Removed && step.now.Name == from && step.now.Push {
			return step.now, true
		}
	}
	return c, false
}

// template looks for templates that no encoder can come to.
func (x *crossing) template(t config.Point) {
	for _, c := range x.c.Plugins {
		m := x.manifests[c.Name]
		if c.Enabled && (m == nil || m.Asks(manifest.CapPublish) && isPushedTo(m) && meets(c.Grant.Publish, t.Name)) {
			return
		}
	}
	x.doubt("no enabled plugin that encoders reach may publish such points; add the pattern to grant: publish of one", "templates", t.Name)
}

// meets tells whether some of the grants fit some of a template's names.
func meets(grants config.Patterns, template string) bool {
	if grants.Match(strings.ReplaceAll(template, "*", "1")) {
		return true
	}
	for _, g := range grants {
		if config.Pattern(template).Match(strings.ReplaceAll(string(g), "*", "1")) {
			return true
		}
	}
	return false
}
