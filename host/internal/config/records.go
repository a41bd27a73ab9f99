package config

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-media/weir/host/internal/datename"
	"github.com/weir-media/weir/host/internal/journal"
	"github.com/weir-media/weir/host/internal/spelling"
)

// Rates bound what viewers take, besides their number. 0: no limit.
type Rates struct {
	Bandwidth int64 // bits a second, of all viewers together
	PerViewer int64 // bits a second, of one viewer's stream
	Joins     int   // viewers who join in a second
}

// Limits bound what the viewers of all points take together.
type Limits struct {
	Viewers int // at once; 0: no limit
	Rates
}

// SessionLog is where a line is written for each session of a viewer or source that has
// ended. The zero value is nowhere.
type SessionLog struct {
	File   string // a path, in whose last element %Y %m %d %H %M %S stand for the time, UTC
	Rotate uint64 // bytes after which another file begins; 0: each day
	Keep   int    // files
}

// Webhook is an address to which events are posted.
type Webhook struct {
	URL        string
	Events     []journal.Kind // empty: all
	SecretFile string         // whose content signs what is posted; "": nothing is signed
}

// Bounds; "chosen".
const (
	maxBitRate     = 1e12 // of a limit, in bits a second
	minBitRate     = 1000
	maxJoins       = 1_000_000
	defaultKeep    = 30
	maxKeep        = 100_000
	minLog, maxLog = 64 << 10, 1 << 40 // bytes
	maxWebhooks    = 32                // of 64 readers that the journal has room for
)

func (l *loader) rates(a at) Rates {
	return Rates{Bandwidth: a.key("bandwidth").bitRate(), PerViewer: a.key("viewer_bandwidth").bitRate(), Joins: a.key("joins").count(maxJoins)}
}

var bitRateUnits = []struct {
	suffix string
	bits   float64
}{{"Gbit/s", 1e9}, {"Mbit/s", 1e6}, {"kbit/s", 1e3}, {"bit/s", 1}}

// bitRate reads bits a second; 0 if absent.
func (a at) bitRate() int64 {
	if !a.present() {
		return 0
	}
	for _, u := range bitRateUnits {
		digits, found := strings.CutSuffix(a.text(), u.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if err != nil {
			break
		}
		if n *= u.bits; !(n >= minBitRate && n <= maxBitRate) {
			a.fail("%s is out of range; choose 1kbit/s to 1000Gbit/s, or remove the key for no limit", a.text())
		}
		return int64(n)
	}
	a.fail("%q is not a bit rate; write a number with bit/s, kbit/s, Mbit/s or Gbit/s, as in 1.5Mbit/s", a.text())
	return 0
}

// sessionLog reads `log:`.
func (l *loader) sessionLog(a at, dir string) (log SessionLog) {
	file, rotate, keep := a.key("sessions"), a.key("rotate"), a.key("keep")
	if !file.present() {
		for _, k := range []at{rotate, keep} {
			if k.present() {
				k.fail("stands without sessions; add sessions: logs/%%Y%%m%%d.log, or remove it")
			}
		}
		return log
	}
	log.File = resolve(dir, file.text())
	slash := strings.LastIndexByte(log.File, '/') + 1
	name := log.File[slash:]
	switch bad := datename.Wrong(name); {
	case name == "" || strings.HasSuffix(file.text(), "/") || strings.ContainsRune(log.File, 0):
		file.fail("%q names no file; write for example logs/%%Y%%m%%d.log", file.text())
	case strings.Contains(log.File[:slash], "%"):
		file.fail("%q: only the file's name can hold the time, not its folder; write for example logs/%%Y%%m%%d.log", file.text())
	case bad != "":
		file.fail("%q has %s; write %s", file.text(), bad, datename.Letters)
	}
	if rotate.present() && rotate.text() != "daily" {
		if bytes, ok := parseSize(rotate.text()); ok && bytes >= minLog && bytes <= maxLog {
			log.Rotate = bytes
		} else {
			rotate.fail("%q is neither daily nor a size from %s to %s; write daily, or for example 64MiB", rotate.text(), sizeText(minLog), sizeText(maxLog))
		}
	}
	if log.Rotate == 0 && !strings.Contains(name, "%d") {
		file.fail("%q is the same each day; add %%Y%%m%%d, or write rotate: with a size", file.text())
	}
	log.Keep = defaultKeep
	if keep.present() {
		log.Keep = keep.within(1, maxKeep)
	}
	return log
}

// webhooks reads one webhook or a list of them.
func (l *loader) webhooks(a at, dir string) (out []Webhook) {
	if _, isList := a.value.([]any); !isList {
		if a.present() {
			out = append(out, l.webhook(a, dir))
		}
		return out
	}
	items := a.items()
	if len(items) > maxWebhooks {
		a.fail("has %d entries; there may be %d", len(items), maxWebhooks)
		return nil
	}
	for _, item := range items {
		out = append(out, l.webhook(item, dir))
	}
	return out
}

func (l *loader) webhook(a at, dir string) Webhook {
	w := Webhook{URL: a.key("url").text(), SecretFile: resolve(dir, a.key("secret_file").text())}
	switch u, err := url.Parse(w.URL); {
	case w.URL == "":
		a.fail("names no url; write url: \"https://example.net/weir\"")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		a.key("url").fail("%q is no URL of a web server; write http://… or https://…", masked(w.URL))
	case u.User != nil:
		a.key("url").fail("holds a password, which logs and status would show; remove it, and have the receiver check the signature (secret_file)")
	}
	known := journal.Kinds()
	for _, item := range a.key("events").items() {
		kind := journal.Kind(item.text())
		if !slices.Contains(known, kind) {
			var words []string
			for _, k := range known {
				words = append(words, string(k))
			}
			item.fail("there is no event %q; %s", item.text(), spelling.Nearest(item.text(), words))
			continue
		}
		w.Events = append(w.Events, kind)
	}
	return w
}
