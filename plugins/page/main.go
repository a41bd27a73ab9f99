// Command page is the plugin that announces a point as a web page: for people who have an
// address and no player open yet.
//
// It owns the page's looks. A question about a point, with the addresses at which players
// reach it, comes in; a document without scripts, and without anything that is loaded from
// elsewhere, goes out. It knows no listeners and no protocols.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
