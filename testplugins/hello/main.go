// Command hello is a plugin of weir: it answers GET /hello?name=N with "hello, N".
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
