package functions

import (
	"regexp"
	"strings"
	"sync"
)

// yamlName finds anchors (&name) and aliases (*name).
var yamlName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?:^|[\s\[{,:])([&*])([^\s,\[\]{}]+)`) })

// yamlAnchor is a named part of a YAML document, while it is read and then with its size.
type yamlAnchor struct {
	open   bool
	item   bool // it is an element of a list
	indent int
	start  int64
	size   int64
}

// yamlSize is how many elements and lines a YAML document has at most once its aliases stand for what they name: a few lines
// can name each other to more than fits into any memory. Where a named part ends is told by the indentation, so that it is
// never taken for smaller than it is.
func yamlSize(text string) int64 {
	if !strings.Contains(text, "*") {
		return int64(strings.Count(text, "\n")) + 1
	}
	anchors := map[string]*yamlAnchor{}
	total := int64(0)
	for line := range strings.SplitSeq(text, "\n") {
		bare := strings.TrimLeft(line, " ")
		if bare == "" || bare[0] == '#' {
			continue
		}
		indent := len(line) - len(bare)
		for _, a := range anchors {
			if a.open && (indent < a.indent || indent == a.indent && (a.item || bare[0] != '-')) {
				a.open, a.size = false, total-a.start
			}
		}
		total += 1 + int64(strings.Count(line, ",")+strings.Count(line, ":"))
		for _, m := range yamlName().FindAllStringSubmatch(line, -1) {
			if m[1] == "&" {
				anchors[m[2]] = &yamlAnchor{open: true, item: bare[0] == '-', indent: indent, start: total - 1}
				continue
			}
			a := anchors[m[2]]
			switch {
			case a == nil:
			case a.open:
				total += total - a.start
			default:
				total += a.size
			}
			if total > maxSteps {
				return total
			}
		}
	}
	return total
}
