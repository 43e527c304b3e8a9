package redact_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/redact"
)

// awkward has every character that some notation escapes.
const awkward = `p@ss "w'ö\rd$HOME/ &<x>+%${y}`

// shapes are the notations in which programs print a value.
var shapes = map[string]func(string) string{
	"as it is":            func(v string) string { return v },
	"in an argument":      func(v string) string { return "sh -c deploy --token=" + v + " --region=x" },
	"query of a URL":      func(v string) string { return "https://example.com/?token=" + url.QueryEscape(v) + "&x=1" },
	"query, small digits": func(v string) string { return strings.ToLower("HTTP://X/?T=") + lowerEscapes(url.QueryEscape(v)) },
	"encodeURIComponent":  func(v string) string { return strings.ReplaceAll(url.QueryEscape(v), "+", "%20") },
	"path of a URL":       func(v string) string { return "https://example.com/" + url.PathEscape(v) + "/x" },
	"user of a URL": func(v string) string {
		return (&url.URL{Scheme: "https", Host: "h", User: url.UserPassword("u", v)}).String()
	},
	"base64":              func(v string) string { return base64.StdEncoding.EncodeToString([]byte(v)) },
	"base64 of echo":      func(v string) string { return base64.StdEncoding.EncodeToString([]byte(v + "\n")) },
	"base64 for URLs":     func(v string) string { return base64.RawURLEncoding.EncodeToString([]byte(v)) },
	"basic auth":          func(v string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+v)) },
	"basic auth, longer":  func(v string) string { return base64.StdEncoding.EncodeToString([]byte("users:" + v + ":x")) },
	"basic auth, longest": func(v string) string { return base64.StdEncoding.EncodeToString([]byte("people:" + v + "ab")) },
	"%q":                  strconv.Quote,
	"%+q":                 strconv.QuoteToASCII,
	"%v of a list":        func(v string) string { return fmt.Sprint([]string{"a", v, "b"}) },
	"%q of a list":        func(v string) string { return fmt.Sprintf("%q", []string{"a", v, "b"}) },
	"JSON":                func(v string) string { b, _ := json.Marshal(map[string]string{"x": v}); return string(b) },
	"HTML":                html.EscapeString,
	"shell, single":       func(v string) string { return "'" + strings.ReplaceAll(v, "'", `'\''`) + "'" },
	"YAML, single":        func(v string) string { return "'" + strings.ReplaceAll(v, "'", "''") + "'" },
}

func lowerEscapes(s string) string {
	for i := 0; i+2 < len(s); i++ {
		if s[i] == '%' {
			s = s[:i+1] + strings.ToLower(s[i+1:i+3]) + s[i+3:]
		}
	}
	return s
}

func TestAValueIsHiddenInEveryNotation(t *testing.T) {
	for _, value := range []string{"swordfish", awkward, "a=b&c", strings.Repeat("long-", 40) + "end"} {
		s := redact.New()
		s.Add(value)
		for name, shape := range shapes {
			text := "before " + shape(value) + " after"
			got := s.Hide(text)
			for other, leak := range shapes {
				if other != "basic auth, longer" && other != "basic auth, longest" && strings.Contains(got, leak(value)) {
					t.Errorf("%s of %q: %q", name, value, got)
				}
			}
			if !strings.Contains(got, redact.Hidden) || !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") {
				t.Errorf("%s of %q: %q", name, value, got)
			}
			if left := len(strings.ReplaceAll(got, redact.Hidden, "")); left > len("before  after")+60 {
				t.Errorf("%s of %q leaves %d bytes: %q", name, value, left, got)
			}
		}
	}
}

// The shell's own words for a value: what `set -x` and printf %q print.
func TestWhatAShellPrintsIsHidden(t *testing.T) {
	for _, value := range []string{"sword fish's $5", awkward, "semi;colon&and|pipe"} {
		s := redact.New()
		s.Add(value)
		for _, shell := range []string{"sh", "bash", "dash"} {
			path, err := exec.LookPath(shell)
			if err != nil {
				continue
			}
			script := `set -x; true "$1"; { set +x; } 2>/dev/null; printf '%s' "$1" | base64`
			if shell == "bash" {
				script += `; LC_ALL=C.UTF-8 printf '%q\n' "$1"`
			}
			cmd := exec.Command(path, "-c", script, "x", value)
			cmd.Env = []string{"LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin"}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", shell, err, out)
			}
			for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
				if !strings.Contains(s.Hide(line), redact.Hidden) {
					t.Errorf("%s shows %q", shell, line)
				}
			}
		}
	}
}

func TestEachLineOfAValueIsHidden(t *testing.T) {
	key := "-----BEGIN KEY-----\r\nMIIEpAIBAAKCAQEA7\n\tqPo5xYz0abcd==\n}\n-----END KEY-----\n"
	s := redact.New()
	s.Add(key)
	got := s.Hide("one: MIIEpAIBAAKCAQEA7.\n  qPo5xYz0abcd==\n} kept\n" + strconv.Quote(key))
	if want := "one: (sensitive).\n  (sensitive)\n} kept\n"; !strings.HasPrefix(got, want) || strings.Contains(got, "MIIE") || strings.Contains(got, "qPo5") {
		t.Errorf("%q", got)
	}
	// base64 broken into lines, as the command prints it
	long := strings.Repeat("0123456789abcdef", 20)
	s.Add(long)
	text := base64.StdEncoding.EncodeToString([]byte(long))
	for _, width := range []int{64, 76} {
		for from := 0; from < len(text); from += width {
			line := text[from:min(len(text), from+width)]
			if got := s.Hide(line); got != redact.Hidden && len(line) >= 6 {
				t.Errorf("width %d: %q is shown as %q", width, line, got)
			}
		}
	}
}

func TestShortAndCommonValuesStay(t *testing.T) {
	s := redact.New()
	s.Add("a", "abc", "", "true", " 1 ", "null", "False")
	for _, text := range []string{"a banana, abc, 1, true, false and null"} {
		if got := s.Hide(text); got != text {
			t.Errorf("%q", got)
		}
	}
	s.Add("4711")
	if got := s.Hide("pin 4711."); got != "pin (sensitive)." {
		t.Errorf("%q", got)
	}
}

func TestOfOverlappingValuesNothingIsLeft(t *testing.T) {
	s := redact.New()
	s.Add("swordfish", "swordfish-and-more", "fish-tank", "more-tea")
	for text, want := range map[string]string{
		"swordfish":                      "(sensitive)",
		"swordfish-and-more":             "(sensitive)",
		"x swordfish-tank x":             "x (sensitive) x",
		"swordfish-and-more-tea":         "(sensitive)",
		"swordfishswordfish":             "(sensitive)(sensitive)",
		"swordfish-and-mor":              "(sensitive)-and-mor",
		"swordfis":                       "swordfis",
		"Bearer swordfish, more-teapots": "Bearer (sensitive), (sensitive)pots",
	} {
		if got := s.Hide(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// A stream shows the same as the whole text, however it is cut.
func TestAStreamCutAnywhereHidesTheSame(t *testing.T) {
	s := redact.New()
	s.Add("swordfish", "swordfish-and-more", "fish-tank", "abab", "ababab", awkward, "line one\nline two")
	rnd := rand.New(rand.NewPCG(1, 2))
	words := []string{"swordfish", "sword", "fish", "-tank", "-and-more", "ab", "aba", "\n", " ", awkward, awkward[:9], "line one", "ö", "x", "\x00\xff"}
	for range 3000 {
		var text strings.Builder
		for range 1 + rnd.IntN(12) {
			text.WriteString(words[rnd.IntN(len(words))])
		}
		want := s.Hide(text.String())
		stream := s.Stream()
		var got []byte
		for rest := []byte(text.String()); len(rest) > 0; {
			n := 1 + rnd.IntN(min(len(rest), 5))
			got = append(got, stream.Write(rest[:n])...)
			rest = rest[n:]
		}
		if got = append(got, stream.Release()...); string(got) != want {
			t.Fatalf("%q: %q, want %q", text.String(), got, want)
		}
	}
}

func TestWhatIsHeldBackIsLittle(t *testing.T) {
	s := redact.New()
	s.Add("swordfish")
	stream := s.Stream()
	for _, step := range []struct{ write, want string }{
		{"compiling...\n", "compiling...\n"}, {"password: ", "password: "}, {"sw", ""}, {"imming", "swimming"},
		{" swordf", " "}, {"ish", "(sensitive)"}, {"s", ""},
	} {
		if got := string(stream.Write([]byte(step.write))); got != step.want {
			t.Errorf("after %q: %q, want %q", step.write, got, step.want)
		}
	}
	// What was let go for want of time is still known to be the beginning.
	if got := string(stream.Release()); got != "s" || stream.Held() != 0 {
		t.Errorf("%q, %d", got, stream.Held())
	}
	if got := string(stream.Write([]byte("wordfish!"))); got != "(sensitive)!" {
		t.Errorf("%q", got)
	}
}

// What programs read back keeps what is likely to be a part of it by chance.
func TestDataKeepsNamesAndShortValues(t *testing.T) {
	s := redact.New()
	s.Public("webshop-production", "/home/ada/state")
	s.Add("8080", "production", "marker-value", "12345678")
	s.AddText("eu-central-1")
	r := redact.Message(s, &waypointv1.PutRecordRequest{
		Fence: &waypointv1.Fence{JobId: "marker-value", RunnerId: "marker-value"},
		Record: &waypointv1.Record{Record: &waypointv1.Record_Deployment{Deployment: &waypointv1.Deployment{
			Meta: &waypointv1.RecordMeta{
				Project: "webshop-production", Plugin: "marker-value", Labels: map[string]string{"a": "x-marker-value", "region": "eu-central-1"},
				Error: "port 8080 in eu-central-1: marker-value",
			},
			Url:       "http://eu-central-1.example.com:8080/production?t=marker-value",
			Resources: []*waypointv1.Resource{{Id: "marker-value", Name: "marker-value", HealthMessage: "8080 is taken", StateJson: []byte(`{"t":"marker-value"}`)}},
			Result:    &waypointv1.PluginResult{StateJson: []byte(`{"dir":"/home/ada/production","n":12345678,"t":["marker-value"],"marker-value":1}`)},
		}}},
	}).GetRecord().GetDeployment()
	meta := r.GetMeta()
	for what, got := range map[string][2]string{
		"project": {meta.GetProject(), "webshop-production"}, "plugin": {meta.GetPlugin(), "marker-value"},
		"label": {meta.GetLabels()["a"], "x-(sensitive)"}, "region": {meta.GetLabels()["region"], "eu-central-1"},
		"error":    {meta.GetError(), "port (sensitive) in (sensitive): (sensitive)"},
		"url":      {r.GetUrl(), "http://eu-central-1.example.com:8080/production?t=(sensitive)"},
		"state":    {string(r.GetResult().GetStateJson()), `{"(sensitive)":1,"dir":"/home/ada/production","n":12345678,"t":["(sensitive)"]}`},
		"resource": {r.GetResources()[0].GetName() + r.GetResources()[0].GetId(), "(sensitive)(sensitive)"},
		"health":   {r.GetResources()[0].GetHealthMessage(), "(sensitive) is taken"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %q, want %q", what, got[0], got[1])
		}
	}
}

func TestAMessageIsCopied(t *testing.T) {
	s := redact.New()
	s.Add("marker-value")
	in := &waypointv1.CompleteJobRequest{
		Fence: &waypointv1.Fence{JobId: "marker-value"}, Error: &waypointv1.JobError{Message: "marker-value", Hint: "marker-value"},
		Result: &waypointv1.JobResult{DeployUrl: "http://marker-value", Build: &waypointv1.Build{Meta: &waypointv1.RecordMeta{Error: "marker-value"}}},
	}
	out := redact.Message(s, in)
	if in.GetError().GetMessage() != "marker-value" {
		t.Error("the message itself was changed")
	}
	if out.GetFence().GetJobId() != "marker-value" {
		t.Error("the fence was changed")
	}
	out.Fence = nil
	if strings.Contains(out.String(), "marker-value") {
		t.Error(out)
	}
}

func TestTheLogShowsNoValue(t *testing.T) {
	s := redact.New()
	s.Add("marker-value")
	var text bytes.Buffer
	l := s.Logger(slog.New(slog.NewTextHandler(&text, nil))).With("with", "marker-value").WithGroup("g")
	l.Info("marker-value", "a", "marker-value", "err", fmt.Errorf("it is %q", "marker-value"), "n", 3,
		slog.Group("inner", "x", []string{"marker-value"}))
	if got := text.String(); strings.Contains(got, "marker-value") || !strings.Contains(got, "n=3") || strings.Count(got, redact.Hidden) != 5 {
		t.Error(got)
	}
}

func TestWithoutSecretsNothingChanges(t *testing.T) {
	var none *redact.Secrets
	none.Add("marker-value")
	none.Public("x")
	if got := none.Hide("marker-value") + string(none.Stream().Write([]byte("marker-value"))) + none.HideData("marker-value"); strings.Count(got, "marker-value") != 3 {
		t.Error(got)
	}
	if none.In("marker-value") || none.Logger(nil) != nil {
		t.Error("something is hidden")
	}
}

func FuzzStream(f *testing.F) {
	f.Add("secret", "a secret and secre", 3)
	f.Add("abab", "ababababa\nabab", 1)
	f.Fuzz(func(t *testing.T, value, text string, cut int) {
		s := redact.New()
		s.Add(value)
		want := s.Hide(text)
		cut = max(0, min(cut, len(text)))
		stream := s.Stream()
		got := string(stream.Write([]byte(text[:cut]))) + string(stream.Write([]byte(text[cut:]))) + string(stream.Release())
		if got != want {
			t.Errorf("%q cut at %d: %q, want %q", text, cut, got, want)
		}
	})
}

// A build of 10,000 lines with 100 sensitive values known.
func BenchmarkStream(b *testing.B) {
	var text bytes.Buffer
	for i := range 10_000 {
		fmt.Fprintf(&text, "[%5d] compiling github.com/example/some/package/%d with a few flags -O2 -Wall -o build/%d.o\n", i, i*7, i)
	}
	for _, values := range []int{0, 1, 100} {
		b.Run(fmt.Sprintf("values=%d", values), func(b *testing.B) {
			s := redact.New()
			for i := range values {
				s.Add(fmt.Sprintf("%x-%s", i*7919, awkward))
			}
			b.SetBytes(int64(text.Len()))
			for b.Loop() {
				stream := s.Stream()
				for rest := text.Bytes(); len(rest) > 0; {
					n := min(len(rest), 32<<10)
					stream.Write(rest[:n])
					rest = rest[n:]
				}
			}
		})
	}
}
