package main

import (
	"encoding/base64"
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/asf"
	"github.com/weir-media/weir/sdk/sdp"
)

const (
	// The payload types of media, and of what is sent again (RFC 3551 3: from 96 on they are
	// dynamic).
	mediaType  = "96"
	resendType = "97"
	// clock is the payload format's, Hz (MS-RTSP 2.2.1.1).
	clock = "1000"
	// mostText is the longest header of the rendition, bytes: what POINT brings to plugin rtsp.
	// ffmpeg reads lines of as many.
	mostText = abi.MaxPointHeader
)

// describe makes the rendition's header: the ASF header, and a medium for each stream of
// pictures and of sound (MS-RTSP 2.2.5). The SSRC is for plugin rtsp. GStreamer asks for the packet size, and
// ffmpeg, before it takes UDP, for the stream of what is sent again: told that there is none, it
// takes TCP.
func (k *packing) describe(header []byte, h *asf.Header) []byte {
	b := make([]byte, 0, mostText)
	b = strconv.AppendUint(append(b, "a=ssrc:"...), uint64(k.ssrc), 10)
	b = strconv.AppendInt(append(b, " cname:"+cname+"\r\na=maxps:"...), int64(h.PacketSize), 10)
	b = append(b, "\r\na=pgmpu:data:application/vnd.ms.wms-hdr.asfv1;base64,"...)
	b = append(base64.StdEncoding.AppendEncode(b, header[:h.Size]), "\r\n"...)
	before := len(b)
	for i := range h.List() {
		b = appendMedium(b, &h.Streams[i])
	}
	if len(b) == before {
		return []byte(sdp.Carries + "no pictures and no sound\r\n")
	}
	b = append(b, "m=application 0 RTP/AVP "+resendType+"\r\na=rtpmap:"+resendType+" x-wms-rtx/"+clock+"\r\na=control:asfID=0/rtx\r\na=stream:65536\r\n"...)
	if len(b) > mostText {
		return []byte(sdp.Carries + "an ASF header of " + strconv.Itoa(h.Size) + " bytes, which is too long\r\n")
	}
	return b
}

// appendMedium appends a stream that players show or play.
func appendMedium(b []byte, s *asf.Stream) []byte {
	if s.Kind != asf.Video && s.Kind != asf.Audio {
		return b
	}
	b = append(append(b, "m="...), s.Kind.String()...)
	b = append(b, " 0 RTP/AVP "+mediaType+"\r\na=rtpmap:"+mediaType+" x-asf-pf/"+clock+"\r\na=control:asfID="...)
	b = strconv.AppendUint(b, uint64(s.Number), 10)
	b = strconv.AppendUint(append(b, "\r\na=stream:"...), uint64(s.Number), 10)
	return append(b, "\r\n"...)
}
