// Command hello is the smallest useful plugin: it answers GET /hello?name=N with
// "hello, N". Copy it and change the name.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin()) }

func main() { sdk.Main() }
