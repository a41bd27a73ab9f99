// Package unframe turns framed ASF, as encoders push it, into the plain ASF that a format
// plugin reads.
//
// It owns the chunks of MS-WMSP 2.2.3 and MS-WMHTTP 2.2.3 as a source plugin meets them.
// What DATA brought comes in; pieces for FEED go out: spans of the input, with literals
// where a header or stripped padding needs them. It never publishes and never answers.
package unframe
