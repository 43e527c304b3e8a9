package render

import (
	"strings"

	"github.com/waypoint-serverless/waypoint/cli/problem"
)

// KeyValues parses repeated k=v flags.
func KeyValues(flag string, given []string) (map[string]string, error) {
	if len(given) == 0 {
		return nil, nil
	}
	out := make(map[string]string, len(given))
	for _, g := range given {
		k, v, ok := strings.Cut(g, "=")
		if !ok || k == "" {
			return nil, problem.New("USAGE", "invalid -%s %s: expected k=v", flag, g)
		}
		out[k] = v
	}
	return out, nil
}

// EnumFlag reads a word of an enum; empty is 0.
func EnumFlag(flag, word, prefix string, values map[string]int32) (int32, error) {
	if word == "" {
		return 0, nil
	}
	if n, ok := values[prefix+strings.ToUpper(strings.ReplaceAll(word, "-", "_"))]; ok && n != 0 {
		return n, nil
	}
	words := make([]string, len(values))
	for name, n := range values {
		words[n] = Enum(name, prefix)
	}
	return 0, problem.New("USAGE", "invalid -%s %s", flag, word).WithHint("Use one of: %s.", strings.Join(words[1:], ", "))
}
