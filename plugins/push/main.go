// Command push takes the streams that encoders bring over HTTP: by POST or PUT, as
// ffmpeg and Windows Media encoders do, or by SOURCE, as Icecast sources do.
//
// It owns the exchange with the encoder. Requests and their bodies come in; answers in
// words, and the body without its transport's framing, for the format plugin that
// understands it, go out. It never looks into media packets further than their framing
// asks, and keeps no media.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
