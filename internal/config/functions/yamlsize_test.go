package functions

import (
	"fmt"
	"strings"
	"testing"
)

func TestTheSizeOfAYAMLDocumentWithItsAliases(t *testing.T) {
	laughs := func(layout string) string {
		text := fmt.Sprintf(layout, "a", "x", "x", "x", "x")
		for i := 1; i < 20; i++ {
			name, before := strings.Repeat("a", i+1), "*"+strings.Repeat("a", i)
			text += fmt.Sprintf(layout, name, before, before, before, before)
		}
		return text
	}
	compose := "x-base: &base\n  image: a\n  environment:\n    - A=b\nservices:\n"
	for i := range 200 {
		compose += fmt.Sprintf("  s%d:\n    <<: *base\n    ports: [%d]\n", i, i)
	}
	for name, c := range map[string]struct {
		text        string
		least, most int64
	}{
		"plain":                         {"a: 1\nb: [1, 2]\n", 2, 20},
		"a star that names nothing":     {"a: '* x'\nb: 2 * 3\n", 2, 20},
		"what people write":             {compose, 1000, 10_000},
		"laughs on one line each":       {laughs("k%[1]s: &%[1]s [%s, %s, %s, %s]\n"), maxSteps, 0},
		"laughs as lists":               {laughs("k%[1]s: &%[1]s\n  - %s\n  - %s\n  - %s\n  - %s\n"), maxSteps, 0},
		"laughs as lists, not indented": {laughs("k%[1]s: &%[1]s\n- %s\n- %s\n- %s\n- %s\n"), maxSteps, 0},
		"laughs as elements":            {laughs("- &%[1]s\n  - %s\n  - %s\n  - %s\n  - %s\n"), maxSteps, 0},
		"laughs as objects":             {laughs("k%[1]s: &%[1]s\n  a: %s\n  b: %s\n  c: %s\n  d: %s\n"), maxSteps, 0},
		"laughs in one line":            {"[" + strings.ReplaceAll(laughs("&%[1]s [%s, %s, %s, %s],\n"), "\n", " ") + "1]", maxSteps, 0},
	} {
		if got := yamlSize(c.text); got < c.least || c.most > 0 && got > c.most {
			t.Errorf("%s: %d", name, got)
		}
	}
}
