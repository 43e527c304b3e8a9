package validate_test

import (
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
)

func TestNames(t *testing.T) {
	app := func(s string) error { return validate.Name("app", s) }
	id := func(s string) error { return validate.ID("id", s) }
	for _, c := range []struct {
		name  string
		check func(string) error
		in    string
		ok    bool
	}{
		{"a name", app, "my-App_1", true},
		{"64 characters", app, strings.Repeat("a", 64), true},
		{"65 characters", app, strings.Repeat("a", 65), false},
		{"empty", app, "", false},
		{"a slash", app, "a/b", false},
		{"a separator of keys", app, "a#b", false},
		{"not ASCII", app, "é", false},
		{"a workspace", validate.Workspace, "prod-1", true},
		{"38 characters", validate.Workspace, strings.Repeat("w", 38), true},
		{"39 characters", validate.Workspace, strings.Repeat("w", 39), false},
		{"upper case", validate.Workspace, "Prod-1", true}, {"a slash in a workspace", validate.Workspace, "feature/x", false},
		{"a ULID", id, "01JD2Z6Q0V9X8W7R5T3P1N4M6K", true},
		{"the largest ULID", id, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", true},
		{"too large for a ULID", id, "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", false},
		{"a letter that ULIDs leave out", id, "01JD2Z6Q0V9X8W7R5T3P1N4M6U", false},
		{"25 characters", id, "01JD2Z6Q0V9X8W7R5T3P1N4M6", false},
		{"a variable", validate.ConfigName, "DATABASE_URL", true},
		{"a path", validate.ConfigName, "/etc/app/конфиг.json", true},
		{"256 runes", validate.ConfigName, strings.Repeat("ж", 256), true},
		{"257 runes", validate.ConfigName, strings.Repeat("ж", 257), false},
		{"an equals sign", validate.ConfigName, "a=b", false},
		{"a line break", validate.ConfigName, "a\nb", false},
		{"broken UTF-8", validate.ConfigName, "a\xff", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.check(c.in)
			if (err == nil) != c.ok {
				t.Fatalf("%q: %v", c.in, err)
			}
			if err != nil && !fault.Is(err, fault.InvalidArgument) {
				t.Fatalf("%q: the error has no reason: %v", c.in, err)
			}
		})
	}
}

func TestRelativePath(t *testing.T) {
	for in, ok := range map[string]bool{"": true, "a/b": true, "./a": true, "/a": false, "../a": false, "a/../../b": false, `a\b`: false} {
		if err := validate.RelativePath("path", in); (err == nil) != ok {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestPageSize(t *testing.T) {
	for in, want := range map[int32]int{0: 50, -1: 50, 1: 1, 200: 200, 201: 200} {
		if got := validate.PageSize(in); got != want {
			t.Errorf("%d: %d, want %d", in, got, want)
		}
	}
}
