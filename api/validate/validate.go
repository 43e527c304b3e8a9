// Package validate holds the contract's limits and name rules, in one place, for server and clients alike.
// It decides and words the refusal; it does no input or output.
package validate

import (
	"strings"
	"unicode/utf8"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// Limits. Where a number comes from AWS, it says so.
const (
	// MaxMessage bounds a request or answer in bytes: as base64 it must cross Lambda's 6 MB.
	MaxMessage = 4 << 20
	// MaxWaypointHCL bounds a stored waypoint.hcl (Waypoint: 5 MB; ours must fit a message).
	MaxWaypointHCL = 2 << 20
	MaxPage        = 200
	defaultPage    = 50
	// MaxTailWaitMS is how long a read is held: below API Gateway's 29 s.
	MaxTailWaitMS = 20_000
	// MaxEvents bounds one append of output.
	MaxEvents = 5_000
	// MaxAppendBytes bounds one append of output before compression, far under DynamoDB's 400 KB item.
	MaxAppendBytes = 256 << 10
	MaxLabels      = 64
	maxLabelKey    = 255
	MaxLabelValue  = 255
	MaxConfigValue = 64 << 10
	// MaxConfigLevel bounds the variables that apps see of one level (the global ones, a project's own, an app's), names and
	// values together. An instance gets those of three levels, 1.5 MB, in one answer (MaxMessage), and in its environment, for
	// which Linux has 2 MB. MaxRunnerLevel bounds those that runners see, and MaxInputs a project's input variables: a runner
	// gets three levels of the former, and the latter, with a job (MaxJobSpec): 3.4 MB, below MaxMessage.
	MaxConfigLevel = 512 << 10
	MaxRunnerLevel = 256 << 10
	MaxInputs      = 256 << 10
	// MaxJobVariables bounds the variables given with a job; the sensitive ones are sealed into one item.
	MaxJobVariables = 256 << 10
	// MaxJobSpec bounds a whole job as it is queued, so that it can be given to a runner with all of the above.
	MaxJobSpec = MaxWaypointHCL + MaxJobVariables + 128<<10
	// MaxAtOnce is how many variables one request changes at most, all of them or none: DynamoDB's transactions take 100
	// actions, of which up to 5 are for two versions, the audit entry, the idempotency key and a job's lease.
	MaxAtOnce       = 95
	MaxVariables    = 500
	MaxDependencies = 50
	MaxTokenName    = 128
)

// The rules are loops, not regular expressions: compiling those would cost every process milliseconds at its start.

// made says whether s has 1 to most bytes, all of which ok accepts.
func made(s string, most int, ok func(byte) bool) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) bool { return c >= 'a' && c <= 'z' }
func upper(c byte) bool { return c >= 'A' && c <= 'Z' }
func digit(c byte) bool { return c >= '0' && c <= '9' }

func nameByte(c byte) bool { return lower(c) || upper(c) || digit(c) || c == '_' || c == '-' }

// ulidByte is Crockford's base 32: no I, L, O and U.
func ulidByte(c byte) bool {
	return digit(c) || upper(c) && c != 'I' && c != 'L' && c != 'O' && c != 'U'
}

func invalid(field, format string, args ...any) *fault.Error {
	return fault.New(connect.CodeInvalidArgument, fault.InvalidArgument, format, args...).WithFact("field", field)
}

// Name checks a project, app or pipeline name: [A-Za-z0-9_-]{1,64}. what is "project", "app", ….
func Name(what, name string) error {
	if made(name, 64, nameByte) {
		return nil
	}
	if name == "" {
		return invalid(what, "the %s name is missing", what)
	}
	return invalid(what, "%q is not a valid %s name", clip(name), what).
		WithHint("Use 1 to 64 letters, digits, '-' or '_'.")
}

// Workspace checks a workspace name: [A-Za-z0-9_-]{1,38}.
func Workspace(name string) error {
	if made(name, 38, nameByte) {
		return nil
	}
	return invalid("workspace", "%q is not a valid workspace name", clip(name)).
		WithHint("Use 1 to 38 letters, digits, '-' or '_'.")
}

// ID checks a ULID.
func ID(field, id string) error {
	if len(id) == 26 && id[0] <= '7' && made(id, 26, ulidByte) {
		return nil
	}
	return invalid(field, "%q is not an id", clip(id)).WithHint("Ids have 26 letters and digits, such as 01JD2Z6Q0V9X8W7R5T3P1N4M6K.")
}

// ConfigName checks the name of a configuration variable (or the path of a file).
func ConfigName(name string) error {
	clean := func(c byte) bool { return c >= 0x20 && c != '=' }
	if utf8.ValidString(name) && utf8.RuneCountInString(name) <= 256 && made(name, 4*256, clean) {
		return nil
	}
	return invalid("name", "%q is not a valid configuration name", clip(name)).
		WithHint("Use 1 to 256 characters without '=' and control characters.")
}

// InputName checks the name of an input variable of waypoint.hcl: an HCL identifier.
func InputName(name string) error {
	ok := func(c byte) bool { return nameByte(c) || c >= utf8.RuneSelf }
	if made(name, 128, ok) && utf8.ValidString(name) && !digit(name[0]) && name[0] != '-' {
		return nil
	}
	return invalid("name", "%q is not a valid name of an input variable", clip(name)).
		WithHint("Use up to 128 letters, digits, '_' and '-', a letter or '_' first, as waypoint.hcl declares it.")
}

// Labels checks a set of labels.
func Labels(field string, labels map[string]string) error {
	if len(labels) > MaxLabels {
		return invalid(field, "%d labels are too many: at most %d", len(labels), MaxLabels)
	}
	for k, v := range labels {
		switch {
		case k == "" || len(k) > maxLabelKey:
			return invalid(field, "label key %q must have 1 to %d characters", clip(k), maxLabelKey)
		case len(v) > MaxLabelValue:
			return invalid(field, "the value of label %q has more than %d characters", clip(k), MaxLabelValue)
		}
	}
	return nil
}

// Size checks that something is not larger than limit bytes.
func Size(field string, got, limit int) error {
	if got <= limit {
		return nil
	}
	return fault.New(connect.CodeInvalidArgument, fault.TooLarge, "%s has %d bytes: at most %d are accepted", field, got, limit).
		WithFact("field", field)
}

// PageSize turns the asked size into the one used: 0 is the default, more than MaxPage is MaxPage.
func PageSize(asked int32) int {
	switch {
	case asked <= 0:
		return defaultPage
	case asked > MaxPage:
		return MaxPage
	}
	return int(asked)
}

// RelativePath checks a path inside a source: relative, without "..".
func RelativePath(field, path string) error {
	if path == "" {
		return nil
	}
	if strings.HasPrefix(path, "/") || strings.Contains(path, `\`) {
		return invalid(field, "%q must be a relative path with forward slashes", clip(path))
	}
	for _, part := range strings.Split(path, "/") {
		if part == ".." {
			return invalid(field, "%q must not leave the source with '..'", clip(path))
		}
	}
	return nil
}

func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
