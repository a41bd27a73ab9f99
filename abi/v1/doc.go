// Package abi is version 1 of the contract between weir and its plugins: frames,
// event records, verdict records, their codec and the error codes. spec.md beside
// this file is the normative text; the golden vectors in testdata are read by the
// tests of every SDK.
//
// The package imports the standard library only and neither side of the codec
// allocates: records are encoded into a buffer that the caller owns, and decoded
// fields are views of the frame, valid as long as the frame is.
//
// Nothing here is safe for use by several goroutines at once; the values have no
// hidden sharing, so each goroutine may use its own.
package abi

// Version of this package. Major is carried by the guest's marker export
// (MarkerExport) and the host import module (HostModule), minor by the marker's
// result; features, not the minor, decide what a plugin may use.
const (
	Major = 1
	Minor = 0
)

// Names on the Wasm carrier (spec.md §2).
const (
	HostModule       = "weir_1"
	MarkerExport     = "weir_abi_1"
	BufferExport     = "weir_buf"
	CallExport       = "weir_call"
	InitializeExport = "_initialize"
	ManifestSection  = "weir.manifest"
)

// Limits that both sides rely on (spec.md §9). Sizes are in bytes.
const (
	MinInbox        = 192 << 10
	UsualBox        = 256 << 10
	MaxFrameEvents  = 64
	MaxState        = 64 << 10
	MaxRetain       = 4 << 20
	MaxPendingWrite = 16 << 10
	MaxPointHeader  = 16 << 10
	MaxTimers       = 16
	MaxDatagram     = 65_507 // of UDP over IPv4: 65535 less the heads of IP and UDP (RFC 791, RFC 768)
)

// Code is the result of a call or of one session's event (spec.md §7).
type Code int32

// The error codes. OK is zero; all others are negative.
const (
	OK        Code = 0
	EINVAL    Code = -1
	ENOSYS    Code = -2
	EPERM     Code = -3
	ENOENT    Code = -4
	ETOOBIG   Code = -5
	EAGAIN    Code = -6
	EPROTO    Code = -7
	EINTERNAL Code = -8
	ECLOSED   Code = -9
	EDEADLINE Code = -10
	ELIMIT    Code = -11
	ESTATE    Code = -12
	EBUSY     Code = -13
	EAUTH     Code = -14
)

var codeNames = [...]string{"OK", "EINVAL", "ENOSYS", "EPERM", "ENOENT", "ETOOBIG", "EAGAIN", "EPROTO",
	"EINTERNAL", "ECLOSED", "EDEADLINE", "ELIMIT", "ESTATE", "EBUSY", "EAUTH"}

// String gives the code's name in the specification.
func (c Code) String() string {
	if n := -int64(c); n >= 0 && n < int64(len(codeNames)) {
		return codeNames[n]
	}
	return "E?"
}

// Error makes a Code usable as an error; OK is an error value too, so compare
// before returning one.
func (c Code) Error() string { return c.String() }
