//go:build unix

package guard

import "strings"

// marked reports whether one of the marks, separated by dots, is that of a command.
func marked(marks string, commands map[string]commandState) bool {
	for marks != "" {
		var mark string
		mark, marks, _ = strings.Cut(marks, ".")
		if _, is := commands[mark]; is {
			return true
		}
	}
	return false
}
