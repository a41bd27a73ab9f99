// Command file feeds a point from a media file, at the pace of the file's own times and
// anew from its beginning whenever it ends.
//
// It owns the choice of the format plugin. The file's first bytes come in; the wish to
// publish goes out, and the host passes the file on by itself from there. It never
// parses packets and never opens a file: the host does that, within the plugin's grant.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
