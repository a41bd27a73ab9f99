// Package record writes down what a plugin was told and what it answered, at the host's boundary, and plays it to another build of the plugin.
//
// It owns the format of recordings, the Tap that stands between the host and a plugin's generations, and the Replay. Calls of a plugin come in;
// files go out that hold the exact bytes of each frame, so that a fault in production is a test case. It never changes a call or its answer, never
// makes the plugin's worker wait for whoever reads the recording, and costs one atomic load a call while nobody records. A recording holds what
// peers sent, but for the credentials in Authorization and Proxy-Authorization and in LOGIN, in whose place are asterisks (Masked): whoever keeps one
// keeps that.
//
// # The format, version 1
//
// A recording is the 7 bytes "weirrec", one byte of the format's version (1), then entries. An entry is
//
//	u32 n, u32 CRC-32C (Castagnoli) of the n bytes that follow, n bytes: u8 kind, the kind's fields
//
// Integers are little-endian; text and bytes are a u32 length and that many bytes; i64 times are nanoseconds. Entries are only appended. A file that
// ends within an entry was cut off there (a server that was killed, a full disk): what stands before holds. Later versions of weir append fields to
// a kind and add kinds: a reader takes a missing tail as zero and skips what it does not know. The version changes only when that is not enough.
//
//	1 header   u16 u16 major and minor of the ABI, text plugin, i64 begin since 1970, text weir's version; the first entry, once
//	2 started  u32 instance, i64 at, u64 generation, text the plugin's version, SHA-256 and carrier
//	3 call     u32 instance, i64 at, i64 limit, i64 took, bytes frame in, bytes frame out
//	4 fault    u32 instance, i64 at, i64 limit, i64 took, bytes frame in (empty: the instance did not start),
//	           text kind, u8 lost, text during, text cause, text the guest's stack, text its log
//	5 closed   u32 instance, i64 at
//	6 end      text reason, u64 calls that were missed; the last entry
//
// "at" counts from the header's begin. The first call of an instance is the one that brought OPEN, even if the recording began in the middle of the
// instance's life: a call is a function of its frame, so a fresh instance that has seen OPEN must answer as the old one did. A plugin whose answer
// depends on anything else, such as an earlier call or the order of a map, differs in its replay: time and entropy stand in the frames, while random
// numbers before the first frame are each instance's own.
package record
