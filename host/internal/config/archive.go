package config

import (
	"strings"
	"time"

	"github.com/weir-media/weir/host/internal/datename"
)

// Archive is where a point is kept while it is streamed. The zero value is nowhere.
type Archive struct {
	Rendition string        // asf, mpegts
	File      string        // a path; in its name {point}, {time}, and %Y %m %d %H %M %S, UTC
	After     time.Duration // of media after which another file begins; 0: no limit
	Bytes     uint64        // likewise
}

const (
	minArchiveTime, maxArchiveTime   = 10 * time.Second, 30 * 24 * time.Hour // chosen
	minArchiveBytes, maxArchiveBytes = 1 << 20, 1 << 44                      // chosen
)

// archiveKeys are those of a point's archive.
func archiveKeys() *shape {
	s := keys(leaves("file", "rendition", "rotate"))
	s.renamed = map[string]string{"path": "file"}
	return s
}

// archive reads what a point is kept in.
func (l *loader) archive(a at, dir string) (out Archive) {
	if !a.present() {
		return out
	}
	file, rendition, rotate := a.key("file"), a.key("rendition"), a.key("rotate")
	out = Archive{File: resolve(dir, file.text()), Rendition: "asf"}
	slash := strings.LastIndexByte(out.File, '/') + 1
	name := out.File[slash:]
	switch bad := datename.Wrong(out.File); {
	case !file.present():
		a.fail("names no file; write for example file: \"rec/{point}-{time}.asf\"")
	case name == "" || strings.HasSuffix(file.text(), "/") || strings.ContainsRune(out.File, 0):
		file.fail("%q names no file; write for example rec/{point}-{time}.asf", file.text())
	case bad != "":
		file.fail("%q has %s; write %s", file.text(), bad, datename.Letters)
	}
	if rendition.present() {
		if out.Rendition = rendition.text(); out.Rendition != "asf" && out.Rendition != "mpegts" {
			rendition.fail("%q cannot be kept; write asf or mpegts", out.Rendition)
		}
	}
	if rotate.present() {
		d, err := time.ParseDuration(rotate.text())
		bytes, isSize := parseSize(rotate.text())
		switch {
		case err == nil && d >= minArchiveTime && d <= maxArchiveTime:
			out.After = d
		case isSize && bytes >= minArchiveBytes && bytes <= maxArchiveBytes:
			out.Bytes = bytes
		default:
			rotate.fail("%q is neither a time from %v to %v nor a size from %s to %s; write for example 1h or 1GiB", rotate.text(), minArchiveTime, maxArchiveTime, sizeText(minArchiveBytes), sizeText(maxArchiveBytes))
		}
	}
	return out
}
