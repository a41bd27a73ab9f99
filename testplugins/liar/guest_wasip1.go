package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

//go:wasmimport env open_door
func openDoor(number int32) int32

func init() {
	sdk.Register(func() *sdk.Plugin {
		return sdk.New[sdk.Stateless](nil, func(*sdk.Stateless, abi.Record, *sdk.Verdicts) error {
			return abi.Code(openDoor(1))
		})
	})
}
