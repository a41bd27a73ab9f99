package deliver

import (
	"time"

	"github.com/weir-media/weir/host/internal/media"
)

const (
	// gatherShare is the part of its time that a worker may spend in rounds before it
	// gathers packets to save sends: one in gatherShare. Chosen: nobody misses 2 %.
	gatherShare = 50
	// gatheredShare is the part of the interval that is left where packets were gathered
	// before, one in gatheredShare. Chosen: both together are an eighth above the latency, and
	// the pieces of one event, which are written within 1 ms, make one round. Measured at 200
	// viewers of 1 Mbit/s: 4 % of a core, rather than 6 to 8 where input is gathered for only a
	// fourth of the latency.
	gatheredShare = 8
	// leastInterval is the shortest time between two rounds of a feed, unless its latency
	// is less. Chosen: the least latency that a point may have.
	leastInterval = 5 * time.Millisecond
	// partTime is how long a worker does one thing before it looks at what else there is:
	// rounds, letters, viewers that have more to come. Chosen: a viewer that joins waits
	// for a few of these at most, and turning to others costs 5 µs (measured).
	partTime = 2 * time.Millisecond
	// calmTime is partTime for rounds while nobody joins. Chosen: 200 viewers are served in
	// 2 ms and 1,000 in 8; each turning to others there costs a wake of Go's timers after it.
	calmTime = 5 * time.Millisecond
	// calmAfter is for how long nobody has joined then. Chosen.
	calmAfter = time.Second
	// slack is the part of an interval by which a round may be early, one in slack, so that
	// it follows what has just been written. Chosen: a source that is gathered comes once in
	// an interval, give or take a little.
	slack = 8
	// ownRounds is how many rounds a feed has by its own clock before it tries to follow its
	// writer, twice as many after each try in vain. Chosen: a clock of its own is three wakes
	// rather than one, and up to an interval of delay (measured: 80 a second rather than 35).
	ownRounds, mostTries = 8, 6
	// costWeight is the weight of past rounds against the last in a feed's cost. Chosen.
	costWeight = 3
	// tick is what rounds' times are rounded up to, so that one wake serves many feeds.
	// Go's poller waits for whole milliseconds.
	tick = time.Millisecond
	// clockSends and clockLetters are after how many the clock is looked at. Chosen: a
	// send takes 10 µs, a letter, with a fast start's bytes, 100.
	clockSends, clockLetters = 16, 2
	// activeFor is how long after its last round a feed's cost counts. Chosen: more than a
	// few of the longest latencies.
	activeFor = time.Second
	// sampleEvery is how often each viewer's lag is counted. Chosen.
	sampleEvery = 500 * time.Millisecond
)

// walk is where a feed's rounds stand.
type walk struct {
	ticking bool          // due counts
	early   bool          // a viewer waits for a later round, though the log may not grow
	dense   bool          // the log grows more often than rounds come
	ended   bool          // a round has seen the log's end
	counted bool          // the round under way counts lags
	align   bool          // the next round follows the writer, though it is early
	rounds  uint16        // since dense has changed
	tries   uint8         // to follow the writer that were in vain
	due     time.Duration // of the next round
	began   time.Duration // of the last, or the one under way
	sampled time.Duration // when lags were counted
	left    int           // live viewers that the round under way still has to serve
	spent   time.Duration // on it
	cost    time.Duration // of a round, smoothed
}

// fullInterval is the time that the feed's packets are gathered now, here or before: short
// while the worker has time to spare, the feed's latency when it has not.
func (f *feed) fullInterval() time.Duration {
	return min(f.latency, max(leastInterval, gatherShare*f.worker.turns.load))
}

// interval is the time between the feed's rounds now. What was gathered for as long before
// is sent as it comes, which is no more often; else it would wait twice.
func (f *feed) interval() time.Duration {
	d := f.fullInterval()
	if f.log.Gathered() >= d {
		return d / gatheredShare
	}
	return d
}

// schedule says when the next round is due, which is at is or after.
func (f *feed) schedule(at time.Duration) {
	f.walk.ticking = true
	f.walk.due = (at + tick - 1).Truncate(tick)
}

// ready tells whether the feed has something to do now.
func (f *feed) ready(now time.Duration) bool {
	k := &f.walk
	if k.left > 0 {
		return true
	}
	if !k.early && !f.armed.Load() {
		if !f.rests || now < f.restDue() {
			return false
		}
		k.early = true
	}
	if !k.ticking {
		k.ticking, k.due = true, now
		interval := f.interval()
		if next := k.began + interval; next-now > interval/slack && k.began > 0 && !k.align {
			k.dense, k.rounds = true, 0
			f.schedule(next)
		}
		k.align = false
	}
	if f.urgent.Load() {
		k.due = now
	}
	return k.due <= now
}

// begin opens a round if there is something new, else it disarms.
func (f *feed) begin(now time.Duration) bool {
	k := &f.walk
	f.urgent.Store(false)
	if !k.early && !f.fresh() {
		k.dense = false
		if f.disarm() {
			return false
		}
	}
	k.learn()
	k.ended = f.log.Ended()
	f.walked.Store(f.log.Written())
	f.rests = false
	k.early, k.began, k.spent, k.left = false, now, 0, len(f.live)
	if k.counted = now-k.sampled >= sampleEvery; k.counted {
		k.sampled = now
	}
	return true
}

// learn has a feed with a clock of its own try to do without: a writer that is gathered
// comes as often as rounds do.
func (k *walk) learn() {
	k.rounds++
	switch {
	case k.dense && k.rounds >= ownRounds<<k.tries:
		k.dense, k.align, k.rounds, k.tries = false, true, 0, min(k.tries+1, mostTries)
	case !k.dense && k.rounds >= 2*ownRounds:
		k.rounds, k.tries = 0, 0
	}
}

// disarm has the next packet wake the worker, unless it is there already.
func (f *feed) disarm() bool {
	f.walk.ticking = false
	f.armed.Store(false)
	if !f.fresh() || f.armed.Swap(true) {
		return true
	}
	f.walk.ticking = true
	return false
}

// part goes on with a round until it has come to its end or the time is over, and gives
// the time.
func (f *feed) part(now, until time.Duration) time.Duration {
	w, k := f.worker, &f.walk
	began := w.clock()
	length := f.log.Length()
	w.convoy = convoy{leads: true}
	for n := 1; ; n++ {
		if k.left = min(k.left, len(f.live)); k.left == 0 { // some may have gone
			break
		}
		k.left--
		v := f.live[k.left]
		if k.counted {
			f.tally.late(length - media.Time(v.count.run.Load()))
		}
		if !v.state.queued { // else it has its turn among those whose bursts go on
			if !w.follow(v, now) {
				w.serve(v, now)
			}
		}
		if n%clockSends == 0 {
			if w.clock() >= until {
				break
			}
		}
	}
	w.convoy = convoy{}
	w.udp.convoy.drop()
	w.udp.flush(now)
	at := w.clock()
	k.spent += at - began
	f.tally.busy.Add(int64(at - began))
	if k.left == 0 {
		k.cost = (costWeight*k.cost + k.spent) / (costWeight + 1)
		interval := f.interval()
		f.pace.set(f.fullInterval(), at)
		if k.dense || k.early || f.fresh() || !f.disarm() {
			f.schedule(max(at, k.due+interval))
		}
	}
	return at
}

// rounds serves the feeds that are due, in turn, for the time of one part.
func (w *worker) rounds(now time.Duration) {
	part := partTime
	if t := w.turns.joined; t == 0 || now-t >= calmAfter {
		part = calmTime
	}
	until := w.clock() + part
	for range len(w.feeds) {
		if w.turns.feed >= len(w.feeds) {
			w.turns.feed = 0
		}
		f := w.feeds[w.turns.feed]
		w.turns.feed++
		if !f.ready(now) || f.walk.left == 0 && !f.begin(now) {
			continue
		}
		if f.part(now, until) >= until {
			return
		}
	}
}
