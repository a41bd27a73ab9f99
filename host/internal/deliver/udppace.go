package deliver

import (
	"time"

	"github.com/weir-media/weir/host/internal/stream"
)

const (
	// bucketBytes is what a destination may be sent at once, at least: 32 datagrams of 1,316 bytes.
	// Chosen: a receiver's socket of the usual 208 KiB holds 92 of them (by the kernel's count each
	// takes 2,304 bytes of it), so that it may be busy for two bursts, and a batch of
	// 40 ms at 8 Mbit/s is not split.
	bucketBytes = 32 * 1316
	// bucketTime is how much of the stream that is at least, which is more from 67 Mbit/s on.
	// Chosen: rounds and pauses of a burst, of 2 to 5 ms, leave room for the stream's rate.
	bucketTime = 5 * time.Millisecond
	// leastCharge is what a small datagram takes of that at least. Measured: it takes
	// more than half as much of a receiver's buffer as one of 1,316 bytes.
	leastCharge = 1316 / 2
	// burstRate is how much faster than the stream a viewer that is behind is sent to,
	// unless Attach.BurstRate says otherwise. Chosen: a fast start of 2 s is over after 2 s.
	burstRate = 2
	// leastRate holds for a stream of which nothing is known, in bytes a second. Chosen: 1 Mbit/s.
	leastRate = 125_000
	// meterTime is over what the rate of a stream is taken, and meterStep how often it is
	// looked at. Chosen: a source that delivers lumps does so several times in 4 s.
	meterTime = 4 * time.Second
	meterStep = 250 * time.Millisecond
	// leastWait is the shortest pause between two parts of a burst. Chosen: in less a
	// receiver's turn of the processor does not come.
	leastWait = 2 * time.Millisecond
)

// bucket bounds what is sent to one destination at once.
type bucket struct {
	size   int           // the most that tokens may be
	tokens int           // bytes that may be sent
	at     time.Duration // when they were counted
}

// bucketFor gives the size of the bucket of a stream of rate bytes a second.
func bucketFor(rate int) int {
	return max(bucketBytes, int(int64(rate)*int64(bucketTime)/int64(time.Second)))
}

// fill adds what the time since has brought.
func (b *bucket) fill(now time.Duration, rate int) {
	if since := now - b.at; since < time.Second {
		b.tokens = min(b.size, b.tokens+int(int64(since)*int64(rate)/int64(time.Second)))
	} else {
		b.tokens = b.size
	}
	b.at = now
}

// wait tells how long it takes until half of the bucket is full.
func (b *bucket) wait(rate int) time.Duration {
	need := max(0, b.size/2-b.tokens)
	return max(leastWait, time.Duration(int64(need)*int64(time.Second)/int64(rate)))
}

// meter takes the rate of a log that is written to in real time, for its viewers' bursts.
type meter struct {
	known   bool
	at      time.Duration
	written uint64
	rate    int // bytes a second
}

// of gives how many bytes a second the log gets: by the clock of late, or by its media's
// from the beginning, whichever is more.
func (m *meter) of(l *stream.Log, now time.Duration) int {
	if since := now - m.at; !m.known || since >= meterStep {
		written := l.Written()
		if m.known {
			late := int(int64(written-m.written) * int64(time.Second) / int64(since))
			m.rate += int(int64(late-m.rate) * int64(min(since, meterTime)) / int64(meterTime))
		}
		m.known, m.at, m.written = true, now, written
	}
	rate := max(leastRate, m.rate)
	if length := l.Length().Duration(); length >= time.Second {
		rate = max(rate, int(float64(l.Written())*float64(time.Second)/float64(length)))
	}
	return rate
}
