// Command asx is the plugin that announces a publishing point as an ASX playlist: the
// small file that opens Windows Media Player, VLC or mplayer on a live stream.
//
// It owns the format. A question about a point, with the addresses at which players
// reach it, comes in; a document goes out. It knows no listeners and no protocols: the
// host and the other plugins' manifests do.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
