package config

import "strings"

// Nearest finds the name that a person most likely meant; empty if none is similar.
func Nearest(given string, names []string) string { return nearest(given, names) }

// nearest finds the name that a person most likely meant; empty if none is similar.
func nearest(given string, names []string) string {
	const farthest = 4
	limit := min(max(len(given)/3, 1), farthest)
	best, bestDistance := "", limit+1
	given = strings.ToLower(given)
	for _, name := range names {
		d := distance(given, strings.ToLower(name))
		if plural(given, name) {
			d = min(d, 1)
		}
		if d < bestDistance && d < len(name) {
			best, bestDistance = name, d
		}
	}
	if best != "" {
		return best
	}
	// An abbreviation, or what it stands for.
	for _, name := range names {
		short, long := name, given
		if len(short) > len(long) {
			short, long = long, short
		}
		if len(short) >= 3 && strings.HasPrefix(long, short) && len(name) > len(best) {
			best = name
		}
	}
	return best
}

// plural says whether two names are the same but for plurals and hyphens, part by part.
func plural(a, b string) bool {
	norm := func(s string) string {
		parts := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return r == '_' || r == '-' })
		for i, p := range parts {
			parts[i] = strings.TrimSuffix(p, "s")
		}
		return strings.Join(parts, "")
	}
	return norm(a) == norm(b)
}

// distance is the number of inserted, deleted, changed or swapped neighbouring bytes between two names.
func distance(a, b string) int {
	const tooLong = 100
	if len(a) > tooLong || len(b) > tooLong {
		return tooLong
	}
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
