package terminal_test

import (
	"fmt"
	"time"

	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// A table fits the terminal: where it is too narrow, the columns with the highest rank go first.
func ExampleTable_Layout() {
	t := terminal.Table{
		Columns: []terminal.Column{{Title: "APP"}, {Title: "VERSION"}, {Title: "STARTED", Rank: 1}},
		Rows:    [][]string{{"web", "v12", "3 minutes ago"}, {"worker", "v2", "2 hours ago"}},
	}
	for _, line := range append(t.Layout(80, false), t.Layout(20, false)...) {
		fmt.Println(line)
	}
	// Output:
	// APP     VERSION  STARTED
	// web     v12      3 minutes ago
	// worker  v2       2 hours ago
	// APP     VERSION
	// web     v12
	// worker  v2
}

// What a program printed may hold sequences that would take over the terminal; only colours are kept, and only if asked for.
func ExampleClean() {
	fmt.Println(terminal.Clean("ok\x1b]0;owned\x07 \x1b[31mred\x1b[0m", false))
	// Output: ok red
}

// Times are for people on a terminal and RFC 3339 in JSON.
func ExampleRelative() {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	fmt.Println(terminal.Relative(now.Add(-150*time.Second), now))
	fmt.Println(terminal.Duration(1500 * time.Millisecond))
	// Output:
	// 2 minutes ago
	// 1.5s
}
