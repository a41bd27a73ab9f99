package session

import (
	"slices"

	"github.com/weir-media/weir/host/internal/plugin"
)

// culprits are those for whom faults are counted. A fault of several events, none of
// which brings it again alone, is any of theirs: it counts for one more only if nobody of
// them has been counted, so that there are never more than must have had a hand in it. Its
// zero value has none; it is guarded by who has it.
type culprits struct {
	charges map[culprit]*charge
	n       int // that differ
}

// charge is what counts once.
type charge struct {
	among []culprit // one of them it was, never empty
	at    int64     // when the last fault was, in seconds
}

// add counts a fault, of one among those. Beyond maxCulprits it counts for nobody new.
func (c *culprits) add(among []culprit, at int64) {
	for _, who := range among {
		x := c.charges[who]
		if x == nil {
			continue
		}
		x.at = max(x.at, at)
		if len(among) == 1 && len(x.among) > 1 { // it was this one, and says nothing of the others
			c.drop(x)
			c.charge(&charge{among: among, at: x.at})
		}
		return
	}
	if len(among) > 1 && len(c.charges)+len(among) > maxCulprits {
		c.add([]culprit{{}}, at)
		return
	}
	if len(among) > 0 && len(c.charges) < maxCulprits {
		c.charge(&charge{among: among, at: at})
	}
}

func (c *culprits) charge(x *charge) {
	if c.charges == nil {
		c.charges = map[culprit]*charge{}
	}
	for _, who := range x.among {
		c.charges[who] = x
	}
	c.n++
}

func (c *culprits) drop(x *charge) {
	for _, who := range x.among {
		delete(c.charges, who)
	}
	c.n--
}

// forget drops those whose last fault was then or before.
func (c *culprits) forget(since int64) {
	for _, x := range c.charges {
		if x.at <= since {
			c.drop(x)
		}
	}
}

// among gives for whom a fault of all those sessions' events may be counted if none of
// them brings it again alone. What happens to the innocent too, as pardons says, counts as
// one for all. Worker.
func among(suspects []*Session, f *plugin.Fault) (all []culprit) {
	searching := false
	for _, s := range suspects {
		searching = searching || s.isSearching()
		of := s.network()
		if !of.IsValid() {
			continue
		}
		if who := (culprit{party: of.party()}); len(all) <= maxCulprits && !slices.Contains(all, who) {
			all = append(all, who)
		}
	}
	switch {
	case f.Kind == plugin.Deadline || f.Kind == plugin.Memory || len(all) == 0 && searching:
		return []culprit{{}}
	case len(all) == 0:
		return []culprit{nobody()}
	}
	return all
}
