package sdk

import "strconv"

// Because gives ": " and a text that says why, to stand behind what is said; empty if the text
// is. The result shares no memory with text. It is safe for concurrent use.
func Because(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	return ": " + string(text)
}

// Quote gives a name that anybody may have written in Go's quotes, which no line breaks out of.
// The result shares no memory with name. It is safe for concurrent use.
func Quote(name []byte) string { return strconv.Quote(string(name)) }
