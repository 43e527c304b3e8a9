package logs

import (
	"testing"
	"time"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

func TestSince(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"10m":                  now.Add(-10 * time.Minute),
		"1h30m":                now.Add(-90 * time.Minute),
		"3d":                   now.Add(-72 * time.Hour),
		"2026-11-29T10:00:00Z": now.Add(-2 * time.Hour),
		"2026-11-29 10:00":     now.Add(-2 * time.Hour),
		"2026-11-29":           now.Add(-12 * time.Hour),
	} {
		if got, ok := parseSince(text, now); !ok || !got.Equal(want) {
			t.Errorf("%s: %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"yesterday", "-5m", "d", "-1d", "10", "2026-13-01"} {
		if got, ok := parseSince(text, now); ok {
			t.Errorf("%s is taken for %v", text, got)
		}
	}
}

func TestFilter(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	f, err := newFilter(&options{since: "10m", grep: "err|panic"}, now)
	if err != nil {
		t.Fatal(err)
	}
	for text, c := range map[string]struct {
		age  time.Duration
		want bool
	}{
		"panic: nil": {time.Minute, true}, "an error": {10 * time.Minute, true}, "an older error": {11 * time.Minute, false}, "fine": {0, false},
	} {
		if got := f.wants(&waypointv1.LogLine{Text: text, TimeUnixMs: now.Add(-c.age).UnixMilli()}); got != c.want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if _, err := newFilter(&options{grep: "("}, now); err == nil {
		t.Error("a broken expression is taken")
	}
}

func TestTheFirstLinesOfSeveralAppsComeInTheOrderOfTheirTimes(t *testing.T) {
	var got []string
	p := &printer{holding: true, write: func(l line) { got = append(got, l.app+" "+l.GetText()) }}
	p.show("web", &waypointv1.LogLine{Text: "b", TimeUnixMs: 2})
	p.show("web", &waypointv1.LogLine{Text: "c", TimeUnixMs: 2})
	p.show("api", &waypointv1.LogLine{Text: "a", TimeUnixMs: 1})
	if len(got) != 0 {
		t.Errorf("written before all are there: %q", got)
	}
	p.release()
	p.show("api", &waypointv1.LogLine{Text: "late", TimeUnixMs: 0})
	for i, want := range []string{"api a", "web b", "web c", "api late"} {
		if i >= len(got) || got[i] != want {
			t.Fatalf("got %q", got)
		}
	}
}
