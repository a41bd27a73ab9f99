// Command webm is the format plugin for WebM and Matroska: it cuts a stream of elements
// into the blocks of the rendition "webm".
//
// It owns a session's place in the document and on the point's timeline. Input bytes and
// what the point's last source left behind come in; a header for a document without an
// end, heads of clusters, and marked spans of the input go out. It never decodes media,
// never copies a block, and never speaks with an encoder or a player.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
