//go:build !wasip1

package sdk

import "embed"

// The list leaves out tests, this file and what a plugin's author does not build with;
// a test compares it with the folder.
//
//go:embed config.go doc.go document.go events.go failure.go log.go pieces.go plugin.go run_native.go run_wasip1.go verdicts.go words.go
//go:embed asf/bare.go asf/chunk.go asf/doc.go asf/fill.go asf/framing.go asf/header.go asf/packet.go asf/rebase.go asf/recorded.go asf/rewrite.go asf/walk.go
//go:embed httptext/build.go httptext/doc.go httptext/head.go httptext/number.go httptext/pragma.go httptext/target.go
//go:embed markup/markup.go
//go:embed matroska/block.go matroska/doc.go matroska/element.go matroska/header.go
//go:embed mpegts/codec.go mpegts/demux.go mpegts/doc.go mpegts/elementary.go mpegts/mux.go mpegts/muxtable.go mpegts/packet.go mpegts/rebase.go mpegts/state.go mpegts/table.go
//go:embed ogg/codec.go ogg/doc.go ogg/header.go ogg/page.go
//go:embed rtp/aac.go rtp/audio.go rtp/doc.go rtp/h264.go rtp/h264state.go rtp/packh264.go rtp/packsound.go rtp/packstate.go rtp/rtcp.go rtp/sps.go rtp/unit.go rtp/window.go rtp/write.go
//go:embed rtsp/answer.go rtsp/doc.go rtsp/request.go rtsp/transport.go
//go:embed unframe/cut.go unframe/doc.go
//go:embed sdktest/apply.go sdktest/check.go sdktest/difference.go sdktest/doc.go sdktest/host.go sdktest/line.go sdktest/list.go sdktest/names.go
//go:embed sdktest/pieces.go sdktest/request.go sdktest/rig.go sdktest/session.go sdktest/show.go sdktest/step.go sdktest/testing.go sdktest/value.go
//go:embed sdp/doc.go sdp/media.go
var sources embed.FS

// Sources gives the Go sources of this package and of the packages below it, read-only,
// under their paths from this folder: "plugin.go", "asf/doc.go". `weir plugin new` writes
// them into an author's folder, so that a plugin builds without this module. Programs
// that do not call Sources do not carry the text, and no Wasm module can. It is safe for
// concurrent use.
func Sources() embed.FS { return sources }
