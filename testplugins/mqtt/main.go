// Command mqtt is a plugin of weir that is known by its first bytes: a toy MQTT broker whose topics are the server's points.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
