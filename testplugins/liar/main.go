// Command liar imports what no host gives: a door out of the sandbox.
package main

import "github.com/weir-media/weir/sdk"

func main() { sdk.Main() }
