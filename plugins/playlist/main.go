// Command playlist is the plugin that announces a point as a playlist for players that know
// nothing of Windows Media: M3U, which all read, and XSPF, which tells more.
//
// It owns the two formats. A question about a point, with the addresses at which players
// reach it, comes in; a document goes out. It knows no listeners and no protocols.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
