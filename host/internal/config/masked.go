package config

import "strings"

// masked gives a URL for a message that others may read: what may be a user and a password
// is left out, also where it is no URL at all.
func masked(url string) string {
	at := strings.LastIndexByte(url, '@')
	if at < 0 {
		return url
	}
	scheme, _, found := strings.Cut(url[:at], "://")
	if !found {
		return "…" + url[at:]
	}
	return scheme + "://…" + url[at:]
}

// maskedHint is what a message about a masked URL adds: why it may be none.
func maskedHint(url string) string {
	if !strings.Contains(url, "@") {
		return ""
	}
	return "; in a user's name and a password write %25 for %, %2F for /, %40 for @, %23 for #"
}
