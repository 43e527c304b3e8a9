package entrypoint

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

func at(t *time.Time) func() time.Time { return func() time.Time { return *t } }

func texts(lines []*waypointv1.LogLine) (all []string) {
	for _, l := range lines {
		all = append(all, l.GetText())
	}
	return all
}

func TestOutputIsCutIntoLinesHoweverItArrives(t *testing.T) {
	now := time.UnixMilli(1)
	for name, c := range map[string]struct {
		writes []string
		want   []string
	}{
		"whole lines":             {[]string{"a\nb\n"}, []string{"a", "b"}},
		"a line in pieces":        {[]string{"a", "b", "c\nd\n"}, []string{"abc", "d"}},
		"empty lines":             {[]string{"\n\n"}, []string{"", ""}},
		"carriage returns":        {[]string{"a\r\n"}, []string{"a"}},
		"no end":                  {[]string{"a\nb"}, []string{"a", "b"}},
		"what is not UTF-8":       {[]string{"a\xffb\n"}, []string{"a\uFFFDb"}},
		"a line that is too long": {[]string{strings.Repeat("x", maxLine+3) + "\n"}, []string{strings.Repeat("x", maxLine), "xxx"}},
		"long and without an end": {[]string{strings.Repeat("x", maxLine), "yyy"}, []string{strings.Repeat("x", maxLine), "yyy"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBuffer(bufferBytes)
			s := &splitter{to: b, now: at(&now)}
			for _, w := range c.writes {
				if n, err := s.Write([]byte(w)); n != len(w) || err != nil {
					t.Fatalf("Write: %d %v", n, err)
				}
			}
			s.flush(0)
			lines, _, _ := b.take()
			if got := texts(lines); !slices.Equal(got, c.want) {
				t.Errorf("got %.60q, want %.60q", got, c.want)
			}
		})
	}
}

func TestALineWithoutAnEndWaitsForItsEndBeforeItIsSent(t *testing.T) {
	now := time.UnixMilli(1)
	b := newBuffer(bufferBytes)
	s := &splitter{to: b, now: at(&now)}
	_, _ = s.Write([]byte("password: "))
	s.flush(time.Second)
	if !b.empty() {
		t.Fatal("it did not wait")
	}
	now = now.Add(time.Second)
	s.flush(time.Second)
	if lines, _, _ := b.take(); !slices.Equal(texts(lines), []string{"password: "}) {
		t.Errorf("got %q", texts(lines))
	}
}

func TestAFullBufferDropsTheOldestLinesAndCountsThem(t *testing.T) {
	b := newBuffer(3 * (lineOverhead + 1))
	for _, text := range []string{"1", "2", "3", "4", "5"} {
		b.add(&waypointv1.LogLine{Text: text})
	}
	lines, dropped, _ := b.take()
	if !slices.Equal(texts(lines), []string{"3", "4", "5"}) || dropped != 2 {
		t.Errorf("got %q, %d dropped", texts(lines), dropped)
	}
	b.lost(7, 70)
	if _, dropped, _ := b.take(); dropped != 7 || !b.empty() {
		t.Errorf("lines that were refused are not counted: %d", dropped)
	}
}

func TestABatchIsBoundedAndOneWaitingIsAnnounced(t *testing.T) {
	b := newBuffer(bufferBytes)
	for range 3 {
		b.add(&waypointv1.LogLine{Text: strings.Repeat("x", batchBytes/2)})
	}
	select {
	case <-b.full:
	default:
		t.Error("nobody is told of a full batch")
	}
	if lines, _, _ := b.take(); len(lines) != 1 || !b.hasBatch() {
		t.Errorf("a batch of %d lines", len(lines))
	}
}

func TestSettings(t *testing.T) {
	full := []string{"WAYPOINT_SERVER_ADDR=https://x", "WAYPOINT_ENTRYPOINT_TOKEN=t", "WAYPOINT_DEPLOYMENT_ID=d"}
	for name, c := range map[string]struct {
		env  []string
		want Settings
		err  string
	}{
		"no server means disabled": {nil, Settings{Disabled: true, FileMode: 0o600, LogLevel: slog.LevelWarn}, ""},
		"a server":                 {full, Settings{ServerAddr: "https://x", Token: "t", DeploymentID: "d", FileMode: 0o600, LogLevel: slog.LevelWarn}, ""},
		"disabled":                 {append(slices.Clone(full), "WAYPOINT_CEB_DISABLE=1"), Settings{ServerAddr: "https://x", Token: "t", DeploymentID: "d", Disabled: true, FileMode: 0o600, LogLevel: slog.LevelWarn}, ""},
		"required, and talkative":  {append(slices.Clone(full), "WAYPOINT_CEB_SERVER_REQUIRED=1", "WAYPOINT_LOG_LEVEL=trace"), Settings{ServerAddr: "https://x", Token: "t", DeploymentID: "d", Required: true, FileMode: 0o600, LogLevel: slog.LevelDebug}, ""},
		"no token":                 {[]string{full[0], full[2]}, Settings{}, "WAYPOINT_ENTRYPOINT_TOKEN is not"},
		"no deployment":            {full[:2], Settings{}, "WAYPOINT_DEPLOYMENT_ID is not"},
		"a mode for files":         {[]string{"WAYPOINT_CONFIG_FILE_MODE=0644"}, Settings{Disabled: true, FileMode: 0o644, LogLevel: slog.LevelWarn}, ""},
		"a mode that is none":      {[]string{"WAYPOINT_CONFIG_FILE_MODE=rw"}, Settings{}, "use an octal mode"},
		"a mode without reading":   {[]string{"WAYPOINT_CONFIG_FILE_MODE=0044"}, Settings{}, "lets the owner read"},
		"a rate of logs":           {[]string{"WAYPOINT_LOG_RATE=2000"}, Settings{Disabled: true, FileMode: 0o600, LogRate: 2000, LogLevel: slog.LevelWarn}, ""},
		"no bound of logs":         {[]string{"WAYPOINT_LOG_RATE=0"}, Settings{Disabled: true, FileMode: 0o600, LogRate: -1, LogLevel: slog.LevelWarn}, ""},
		"a rate that is none":      {[]string{"WAYPOINT_LOG_RATE=fast"}, Settings{}, "number of bytes a second"},
		"a wrong level":            {[]string{"WAYPOINT_LOG_LEVEL=loud"}, Settings{}, "use debug, info, warn or error"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ReadSettings(c.env)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestTheAppsEnvironment(t *testing.T) {
	got := childEnv(
		[]string{"A=1", "B=x=y", "WAYPOINT_ENTRYPOINT_TOKEN=t", "WAYPOINT_CONFIG_CACHE=/c", "PORT=1"},
		map[string]string{"A": "2", "C": "", "": "no name", "D=E": "no name either", "F": "nul\x00", "WAYPOINT_ENTRYPOINT_TOKEN": "planted"},
	)
	if want := []string{"A=2", "B=x=y", "C=", "PORT=1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheCacheOpensOnlyWithItsTokenAndDeployment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache")
	mine := &cache{path: path, token: "t", deploymentID: "d"}
	if mine.load() != nil {
		t.Error("a cache out of nothing")
	}
	if err := mine.store(&waypointv1.AppConfig{Etag: "1"}); err != nil {
		t.Fatal(err)
	}
	if got := mine.load(); got.GetEtag() != "1" {
		t.Errorf("got %v", got)
	}
	for name, other := range map[string]*cache{
		"another token":      {path: path, token: "u", deploymentID: "d"},
		"another deployment": {path: path, token: "t", deploymentID: "e"},
	} {
		if other.load() != nil {
			t.Errorf("%s opens it", name)
		}
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if mine.load() != nil {
		t.Error("damage is not noticed")
	}
}

func TestFilesAreWrittenChangedAndRemoved(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	one := map[string]string{file("a/b"): "1", file("c"): "1"}
	two := map[string]string{file("a/b"): "2"}
	f := &files{mode: defaultFileMode}
	for i, step := range []struct {
		now     map[string]string
		changed bool
	}{{one, true}, {one, false}, {two, true}, {nil, true}, {nil, false}} {
		changed, problems := f.apply(step.now)
		if len(problems) > 0 || changed != step.changed {
			t.Fatalf("step %d: changed %v, %q", i, changed, problems)
		}
		for path, want := range step.now {
			if got, err := os.ReadFile(path); err != nil || string(got) != want {
				t.Errorf("%s: %q %v", path, got, err)
			}
			if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("%s: mode %v %v", path, info.Mode(), err)
			}
		}
	}
	if _, err := os.Stat(file("c")); err == nil {
		t.Error("a file that left the configuration is still there")
	}
}

func TestAFileThatCannotBeWrittenIsAProblemAndTriedAgain(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	if err := os.MkdirAll(file("d/e"), 0o755); err != nil {
		t.Fatal(err)
	}
	now := map[string]string{file("d"): "a secret value", file("f"): "1"}
	f := &files{mode: 0o640}
	changed, problems := f.apply(now)
	if !changed || len(problems) != 1 || !strings.Contains(problems[0], file("d")+" cannot be written: ") ||
		strings.Contains(problems[0], "secret") || strings.Contains(problems[0], ".waypoint-") {
		t.Errorf("changed %v, problems %q", changed, problems)
	}
	if _, err := os.Stat(file("f")); err != nil {
		t.Error("one bad file kept another from being written")
	}
	if err := os.RemoveAll(file("d")); err != nil {
		t.Fatal(err)
	}
	if changed, problems := f.apply(now); !changed || len(problems) > 0 {
		t.Errorf("when it can be written: changed %v, problems %q", changed, problems)
	}
	if info, err := os.Stat(file("d")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v %v", info.Mode(), err)
	}
	// What was there before a failure is removed when it is no longer wanted.
	if _, problems := f.apply(nil); len(problems) > 0 {
		t.Errorf("problems %q", problems)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left: %v %v", entries, err)
	}
}

// broken is an output that fails now and then.
type broken struct {
	got bytes.Buffer
	err error
}

func (b *broken) Write(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	return b.got.Write(p)
}

func TestAnOutputThatFailsChangesNothingForTheApp(t *testing.T) {
	to, lines := &broken{}, &bytes.Buffer{}
	var told []error
	o := &outlet{to: to, lines: lines, failed: func(err error) { told = append(told, err) }}
	for i, err := range []error{nil, syscall.ENOSPC, syscall.ENOSPC, nil, syscall.EPIPE} {
		to.err = err
		if n, err := o.Write([]byte{'a' + byte(i)}); n != 1 || err != nil {
			t.Fatalf("write %d: %d %v", i, n, err)
		}
	}
	if to.got.String() != "ad" || lines.String() != "abcde" || len(told) != 2 {
		t.Errorf("passed on %q, kept %q, told %v", to.got.String(), lines.String(), told)
	}
}

func TestAReportIsSentOnceAndAgainToAServerThatForgot(t *testing.T) {
	r := newReports()
	if report, _ := r.pending(); report != nil {
		t.Error("a report of nothing")
	}
	if !r.set([]string{"a", strings.Repeat("é", mostProblemBytes)}) || r.set([]string{"a", strings.Repeat("é", mostProblemBytes)}) {
		t.Error("a change is not noticed, or none is")
	}
	report, change := r.pending()
	if len(report.GetProblems()) != 2 || len(report.GetProblems()[1]) != mostProblemBytes || !utf8.ValidString(report.GetProblems()[1]) {
		t.Errorf("got %d problems", len(report.GetProblems()))
	}
	r.set(nil)
	r.accepted(change)
	if report, change = r.pending(); report == nil || len(report.GetProblems()) > 0 {
		t.Errorf("that all is well again is not reported: %v", report)
	}
	r.accepted(change)
	r.set([]string{"b"})
	_, change = r.pending()
	r.accepted(change)
	if report, _ := r.pending(); report != nil {
		t.Error("reported twice")
	}
	r.forgotten()
	if report, _ := r.pending(); len(report.GetProblems()) != 1 {
		t.Errorf("got %v", report)
	}
}

func TestIntervalsAreTheServersWithinReason(t *testing.T) {
	i := newIntervals()
	i.set(nil)
	if i.config() != defaultConfigInterval || i.logs() != defaultLogsInterval {
		t.Error("defaults changed by an answer that tells nothing")
	}
	i.set(&waypointv1.Intervals{ConfigMs: 1, LogsMs: 1000})
	if i.config() != minInterval || i.logs() != time.Second {
		t.Errorf("%v %v", i.config(), i.logs())
	}
	select {
	case <-i.changed:
	default:
		t.Error("a shorter interval does not wake the shipper")
	}
}
