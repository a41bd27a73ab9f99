package session

import (
	"slices"
	"strings"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/access"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/point"
)

func (b *batch) reserveSmall(raw abi.Raw) error {
	rest := &b.rec.rest
	switch raw.Op {
	case abi.OpResume:
		return b.needView(raw, &rest.resume)
	case abi.OpDetach:
		return b.needView(raw, &rest.detach)
	case abi.OpSetTimer:
		if err := b.decode(raw, &rest.timer); err != nil {
			return err
		}
		return b.reserveTimer(rest.timer.ID, rest.timer.After)
	case abi.OpClose:
		if err := b.decode(raw, &rest.close); err != nil {
			return err
		}
		if n := rest.close.Conn; n != 0 && b.s.conn(n) == nil {
			return denyf(abi.ENOENT, "no connection %d", n)
		}
		if rest.close.Mode > abi.CloseReset {
			return denyf(abi.EINVAL, "CLOSE with mode %d", rest.close.Mode)
		}
		b.seen.closes = b.seen.closes || rest.close.Conn <= 1 && rest.close.Mode == abi.CloseFlush
		return nil
	case abi.OpBindKey:
		return b.reserveBind(raw)
	case abi.OpJoinKey:
		return b.reserveJoin(raw)
	case abi.OpMetric:
		if err := b.decode(raw, &rest.metric); err != nil {
			return err
		}
		return b.reserveMetric(string(rest.metric.Name))
	case abi.OpFail:
		return sinf(plugin.BadBatch, "FAIL beside other verdicts")
	}
	return denyf(abi.ENOSYS, "%v is not known to this host", raw.Op)
}

// maxMetrics bounds the counters that one plugin may keep (chosen: each is a time
// series of the operator's).
const maxMetrics = 64

// reserveMetric admits the name of a plugin's own counter (spec.md 6.20).
func (b *batch) reserveMetric(name string) error {
	isOther := func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' }
	if name == "" || len(name) > 64 || strings.ContainsFunc(name, isOther) {
		return denyf(abi.EINVAL, "metric name %.64q", name)
	}
	r := b.s.r
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.metrics[name]:
		return nil
	case len(r.metrics) >= maxMetrics:
		return denyf(abi.ELIMIT, "a plugin may keep %d counters", maxMetrics)
	}
	if r.metrics == nil {
		r.metrics = map[string]bool{}
	}
	r.metrics[name] = true
	b.seen.metrics = append(b.seen.metrics, name)
	return nil
}

func (r *Runner) forgetMetric(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.metrics, name)
}

// keepMetric notes a counter that has counted: another worker may have given its name
// back meanwhile.
func (r *Runner) keepMetric(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.metrics[name] = true
}

func (b *batch) reserveTimer(id uint32, after int64) error {
	_, known := b.s.links.timers[id]
	switch {
	case after < 0:
		return denyf(abi.EINVAL, "a timer %d ns ago", -after)
	case known || after == 0 || slices.Contains(b.seen.timers, id):
		return nil
	}
	if most := b.s.limits().Timers; len(b.s.links.timers)+len(b.seen.timers) >= most {
		b.s.r.reach(timersBound)
		return denyf(abi.ELIMIT, "a session may have %d timers", most)
	}
	b.seen.timers = append(b.seen.timers, id)
	return nil
}

func (b *batch) needView(raw abi.Raw, rec abi.Record) error {
	if b.s.view == nil {
		return denyf(abi.ESTATE, "the session has no viewer")
	}
	return b.decode(raw, rec)
}

// header resolves a piece that names a rendition's header.
func (b *batch) header(name []byte) ([]byte, error) {
	if len(name) == 0 {
		if p := b.s.links.pack; p != nil {
			return p.header(), nil
		}
		return nil, denyf(abi.EINVAL, "a header piece without a name, outside of a packager")
	}
	on, rendition, ok := strings.Cut(string(name), "\x00")
	p := b.s.r.room.point(on)
	if !ok || p == nil {
		return nil, point.ErrNoSuch
	}
	if !b.s.r.grant.Load().attaches(on) {
		return nil, denyf(abi.EPERM, "point %q is not granted to this plugin in plugins.yaml (grant: attach)", on)
	}
	if err := b.admits(access.Play, on); err != nil {
		return nil, err
	}
	r, err := p.Rendition(rendition)
	if err != nil {
		return nil, err
	}
	h := r.Log.Header()
	if h == nil {
		return nil, point.ErrNotReady
	}
	return h.Bytes, nil
}
