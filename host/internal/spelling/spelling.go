// Package spelling finds the word that somebody meant.
//
// It owns the measure of how far two words are apart. A word that is not known and those that are come in; advice goes out. It never decides
// whether a word is known.
package spelling

import (
	"fmt"
	"slices"
	"strings"
)

// Nearest gives advice on an unknown word: the known one that is closest, or all of them. Known words are of lower case.
func Nearest(word string, known []string) string {
	known = slices.Sorted(slices.Values(known))
	best, least := "", max(2, len(word)/3)+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), k); d < least {
			best, least = k, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("did you mean %q?", best)
	case len(known) == 0:
		return "none is known here"
	}
	return "known here: " + strings.Join(known, ", ")
}

// distance is Levenshtein's, by bytes; words are cut so that a hostile file cannot make it slow.
func distance(a, b string) int {
	const longest = 64
	a, b = a[:min(len(a), longest)], b[:min(len(b), longest)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
