package host

import (
	"cmp"
	"slices"
	"time"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/deliver"
	"github.com/weir-media/weir/host/internal/session"
)

// account is what there is to say of costs at one moment: now, and some seconds before.
type account struct {
	now, then         look
	byPoint, byPlugin map[string][]series
}

func (s *Server) account() *account {
	a := &account{now: s.costs.look()}
	var ok bool
	if a.then, ok = s.costs.history.oldest(); !ok {
		a.then = look{at: s.vitals.started}
	}
	a.byPoint, a.byPlugin = map[string][]series{}, map[string][]series{}
	for k := range a.now.bill {
		a.byPoint[k.point] = append(a.byPoint[k.point], k)
		a.byPlugin[k.plugin] = append(a.byPlugin[k.plugin], k)
	}
	return a
}

// span is the time between the two looks, more than none.
func (a *account) span() time.Duration { return max(a.now.at.Sub(a.then.at), time.Millisecond) }

// delivery words the sum of series.
func (a *account) delivery(keys []series) admin.Delivery {
	now, then := a.now.bill.sum(keys), a.then.bill.sum(keys)
	d := delivery(&now)
	d.Recent = recent(&now, &then, a.span())
	return d
}

// parts words each series of a point.
func (a *account) parts(point string) (all []admin.Part) {
	for _, k := range a.byPoint[point] {
		all = append(all, admin.Part{Rendition: k.rendition, Plugin: k.plugin, Delivery: a.delivery([]series{k})})
	}
	slices.SortFunc(all, func(a, b admin.Part) int {
		return cmp.Or(cmp.Compare(a.Rendition, b.Rendition), cmp.Compare(a.Plugin, b.Plugin))
	})
	return all
}

func delivery(t *deliver.LogTotals) admin.Delivery {
	return admin.Delivery{Viewers: int(t.Viewers), Waiting: int(t.Waiting), Attached: t.Attached, Bytes: t.Bytes, Packets: t.Packets, Sends: t.Sends,
		BytesPerSend: ratio(t.Bytes, t.Sends), BusySeconds: t.Busy.Seconds(), DroppedPackets: droppedPackets(&t.Missed),
		DroppedBytes: droppedBytes(&t.Missed, t.Unsent[:]), Left: left(t.Left[:]), Lag: lag(&t.Lag, nil)}
}

// droppedPackets names what was left out for viewers that stayed.
func droppedPackets(missed *[len(deliver.LogTotals{}.Missed)]deliver.Missed) map[string]uint64 {
	all := map[string]uint64{}
	for _, why := range deliver.Missings() {
		if n := missed[why].Packets; n > 0 {
			all[why.String()] = n
		}
	}
	return all
}

// leftPrefix begins the reasons of bytes that waited for viewers when they left.
const leftPrefix = "left_"

// droppedBytes names all bytes that viewers did not get.
func droppedBytes(missed *[len(deliver.LogTotals{}.Missed)]deliver.Missed, unsent []uint64) map[string]uint64 {
	all := map[string]uint64{}
	for _, why := range deliver.Missings() {
		if n := missed[why].Bytes; n > 0 {
			all[why.String()] = n
		}
	}
	for _, why := range deliver.Reasons() {
		if n := unsent[why]; n > 0 {
			all[leftPrefix+why.String()] = n
		}
	}
	return all
}

func left(counts []uint64) map[string]uint64 {
	all := map[string]uint64{}
	for _, why := range deliver.Reasons() {
		if n := counts[why]; n > 0 {
			all[why.String()] = n
		}
	}
	return all
}

func recent(now, then *deliver.LogTotals, span time.Duration) *admin.Recent {
	bytes, sends, busy := since(now.Bytes, then.Bytes), since(now.Sends, then.Sends), max(0, now.Busy-then.Busy)
	return &admin.Recent{Seconds: span.Seconds(), BitsPerSecond: 8 * float64(bytes) / span.Seconds(), SendsPerSecond: float64(sends) / span.Seconds(),
		BytesPerSend: ratio(bytes, sends), BusyPercent: percent(busy, span), Lag: lag(&now.Lag, &then.Lag)}
}

// since is how much a count has grown; one that was forgotten meanwhile began anew.
func since(now, then uint64) uint64 {
	if now < then {
		return now
	}
	return now - then
}

func percent(part, of time.Duration) float64 { return 100 * part.Seconds() / of.Seconds() }

func ratio(a, b uint64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

const lagCounts = len(deliver.LogTotals{}.Lag)

// noBound stands for the bound of the last step, which has none.
const noBound = -1

// lag words what counts there are beyond those of before, which may be nil; nil if there
// are none.
func lag(counts, before *[lagCounts]uint64) *admin.Lag {
	l := &admin.Lag{}
	for i, n := range counts {
		if before != nil {
			n = since(n, before[i])
		}
		l.Samples += n
		bound := float64(noBound)
		if i < len(deliver.LagBounds) {
			bound = millis(deliver.LagBounds[i])
		}
		l.Steps = append(l.Steps, admin.LagStep{UpToMillis: bound, Count: n})
	}
	if l.Samples == 0 {
		return nil
	}
	l.P50Millis, l.P99Millis = quantile(l, 0.5), quantile(l, 0.99)
	return l
}

// quantile gives the bound of the step that holds it.
func quantile(l *admin.Lag, q float64) float64 {
	var sum uint64
	for _, step := range l.Steps {
		if sum += step.Count; float64(sum) >= q*float64(l.Samples) {
			return step.UpToMillis
		}
	}
	return noBound
}

// spending words what a plugin takes.
func (s *Server) spending(a *account, name string, r session.Spent, carrier string) admin.Spending {
	m := admin.Spending{CPUSeconds: a.now.cpu[name].Seconds(), CPUPercent: percent(max(0, a.now.cpu[name]-a.then.cpu[name]), a.span()),
		FrameBytesIn: r.BytesIn, FrameBytesOut: r.BytesOut}
	switch carrier {
	case "":
	case "proc":
		m.CPUOf = admin.CPUOfProcess
	default:
		m.CPUOf = admin.CPUOfCalls
	}
	if d := a.delivery(a.byPlugin[name]); d.Attached > 0 {
		m.Delivered = &d
	}
	return m
}

// cpu gives the processor time of each plugin, in calls and in processes of its own.
func (s *Server) cpu() map[string]time.Duration {
	all := map[string]time.Duration{}
	for _, r := range s.room.Runners() {
		all[r.Name()] = r.Spent().CPU + s.vitals.programs.of(r.Name()).CPU()
	}
	return all
}
