package host

import (
	"sync"

	"github.com/weir-media/weir/host/internal/plugin/proc"
)

// programs count the time of plugins' processes: one count for each name, for as long as
// the server runs, whatever process is behind it. The zero value has none yet; it is safe
// for concurrent use.
type programs struct{ byName sync.Map }

func (p *programs) of(name string) *proc.Spent {
	x, _ := p.byName.LoadOrStore(name, new(proc.Spent))
	return x.(*proc.Spent)
}
