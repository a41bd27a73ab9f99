package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/markup"
	"github.com/weir-media/weir/sdk/matroska"
	"github.com/weir-media/weir/sdk/ogg"
)

// mediaPolicy is added to what the page allows itself where it has a player: the stream may
// be on another port than the page.
const mediaPolicy = "media-src http: https:; "

// player finds the first address of the stream in a form that browsers play, and the
// element that does it; empty if there is none.
func player(e *abi.DocumentRequest) (element string, url []byte) {
	if e.Point.State != abi.PointLive {
		return "", nil
	}
	for p := range e.Endpoints.All() {
		if s := string(p.Scheme); p.Kind != abi.EndpointUnicast || s != "http" && s != "https" {
			continue
		}
		if element = playerOf(&e.Point, string(p.Rendition)); element != "" {
			return element, p.URL
		}
	}
	return "", nil
}

// playerOf is the element for a rendition, as its header tells.
func playerOf(point *abi.PointSummary, rendition string) string {
	r, found := point.Renditions.Find(rendition)
	if !found {
		return ""
	}
	var mediaType string
	switch rendition {
	case "webm":
		mediaType = matroska.MediaType(r.Header)
	case "ogg":
		mediaType = ogg.MediaType(r.Header)
	}
	switch mediaType {
	case "video/webm", "video/ogg":
		return "video"
	case "audio/webm", "audio/ogg":
		return "audio"
	}
	return ""
}

// playing appends the element, which loads nothing before somebody wants it to.
func playing(b []byte, element string, url []byte) []byte {
	if element == "" {
		return b
	}
	b = append(append(append(b, "<p><"...), element...), " controls preload=\"none\" src=\""...)
	b = markup.Append(b, url)
	return append(append(append(b, "\"></"...), element...), "></p>\n"...)
}
