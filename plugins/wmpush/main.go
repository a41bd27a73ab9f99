// Command wmpush takes the streams of Windows Media encoders and servers that push
// (MS-WMHTTP): PushSetup, then PushStart after PushStart, held together by a push-id.
//
// It owns the push session: requests and chunks come in; answers in Windows Media's words,
// and plain ASF for the format plugin, go out. It never looks into media packets further
// than their framing asks, keeps no media, and asks nobody for a password: the host has
// done that before.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
