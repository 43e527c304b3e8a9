package docker

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/jsonstream"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/docker/buildkit"
)

// updateEvery is how often a step that counts says how far it is: each saying is kept with the job.
const updateEvery = time.Second

// buildFailed is a build that the engine ended.
type buildFailed struct {
	// instruction that failed; empty if it was none. code is its exit code; 0 if it is not known.
	instruction string
	code        int
	message     string
	// printed is the last that it printed.
	printed string
}

func (f *buildFailed) Error() string { return f.message }

// buildOutput shows what the engine says of a build as steps. Both builders' words are understood, whichever was asked
// for: engines that only look like Docker's answer as they please.
type buildOutput struct {
	ui plugin.UI

	id string
	// steps of BuildKit, by digest.
	steps map[string]*buildStep
	// now is the step of the classic builder that runs.
	now *buildStep
	// failed is the step of BuildKit that failed.
	failed *buildStep
}

type buildStep struct {
	plugin.Step
	name          string
	ended, cached bool
	updated       time.Time
	// printed is the last that the step printed.
	printed []byte
}

// print shows what the step printed, and keeps the last of it.
func (s *buildStep) print(text []byte) {
	if s.Step != nil && !s.ended { // a line that comes after the step's end is kept for its error alone
		_, _ = s.Output().Write(text)
	}
	s.printed = append(s.printed, text...)
	if most := 2000; len(s.printed) > most {
		s.printed = append([]byte(nil), s.printed[len(s.printed)-most:]...)
	}
}

func (s *buildStep) end(how string) {
	if s == nil || s.ended {
		return
	}
	s.ended = true
	if s.Step == nil {
		return
	}
	if s.cached {
		how = " (cached)"
	}
	if how == "" {
		s.Done("")
		return
	}
	s.Done("%s", s.name+how)
}

func (s *buildStep) fail() {
	if s == nil || s.ended {
		return
	}
	s.ended = true
	if s.Step != nil {
		s.Fail("")
	}
}

// follow reads to the end and gives the image's id.
func (b *buildOutput) follow(r io.Reader) (string, error) {
	b.steps = map[string]*buildStep{}
	decoder := json.NewDecoder(r)
	for {
		var m jsonstream.Message
		err := decoder.Decode(&m)
		if errors.Is(err, io.EOF) {
			b.now.end("")
			b.endAll((*buildStep).end)
			if b.id == "" {
				return "", errors.New("the engine ended the build without an image")
			}
			return b.id, nil
		}
		if err == nil && m.Error != nil {
			err = b.failure(m.Error)
		}
		if err == nil {
			err = b.message(&m)
		}
		if err != nil {
			b.now.fail()
			b.endAll(func(s *buildStep, _ string) { s.fail() })
			return "", err
		}
	}
}

func (b *buildOutput) endAll(end func(*buildStep, string)) {
	for _, s := range b.steps {
		end(s, "")
	}
}

func (b *buildOutput) message(m *jsonstream.Message) error {
	if m.Aux != nil {
		return b.aux(m.ID, *m.Aux)
	}
	if m.Stream != "" {
		b.stream(m.Stream)
	}
	if m.Status != "" && m.Progress == nil && b.now != nil && b.now.Step != nil {
		_, _ = fmt.Fprintf(b.now.Output(), "%s\n", strings.TrimSpace(m.ID+" "+m.Status))
	}
	return nil
}

func (b *buildOutput) aux(id string, content json.RawMessage) error {
	if id == "moby.buildkit.trace" {
		var encoded string
		if err := json.Unmarshal(content, &encoded); err != nil {
			return err
		}
		message, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return err
		}
		progress, err := buildkit.DecodeProgress(message)
		if err != nil {
			return err
		}
		b.progress(progress)
		return nil
	}
	var made struct{ ID string }
	if json.Unmarshal(content, &made) == nil && strings.HasPrefix(made.ID, "sha256:") {
		b.id = made.ID
	}
	return nil
}

// progress shows what BuildKit says. Its own chores are only shown when they fail or print something. A quick step
// begins, prints and ends in one message: what it printed comes before its end.
func (b *buildOutput) progress(p buildkit.Progress) {
	for _, v := range p.Vertexes {
		s := b.steps[v.Digest]
		if s == nil {
			s = &buildStep{name: v.Name}
			b.steps[v.Digest] = s
		}
		s.cached = s.cached || v.Cached
		if v.Started || v.Completed || v.Error != "" {
			b.open(s, v.Error != "")
		}
	}
	for _, l := range p.Logs {
		if s := b.steps[l.Vertex]; s != nil && len(l.Text) > 0 {
			b.open(s, true)
			s.print(l.Text)
		}
	}
	for _, v := range p.Vertexes {
		s := b.steps[v.Digest]
		switch {
		case v.Error != "":
			if !strings.Contains(v.Error, "context canceled") { // steps beside the one that failed
				b.failed = s
			}
			s.fail()
		case v.Completed:
			s.end("")
		}
	}
	for _, st := range p.Statuses {
		s := b.steps[st.Vertex]
		if s == nil || s.Step == nil || s.ended || st.Total == 0 || time.Since(s.updated) < updateEvery {
			continue
		}
		s.updated = time.Now()
		s.Update("%s: %s of %s", s.name, size(st.Current), size(st.Total))
	}
}

func (b *buildOutput) open(s *buildStep, always bool) {
	if s.Step != nil || s.ended || !always && strings.HasPrefix(s.name, "[internal]") {
		return
	}
	s.Step, s.updated = b.ui.Step("%s", s.name), time.Now()
}

// classicStep is how the classic builder begins a step.
var classicStep = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^Step (\d+)/(\d+) : (?s:(.*))$`) })

func (b *buildOutput) stream(text string) {
	if m := classicStep().FindStringSubmatch(strings.TrimRight(text, "\n")); m != nil {
		b.now.end("")
		name := fmt.Sprintf("[%s/%s] %s", m[1], m[2], m[3])
		b.now = &buildStep{name: name, Step: b.ui.Step("%s", name)}
		return
	}
	switch trimmed := strings.TrimSpace(text); {
	case trimmed == "", strings.HasPrefix(trimmed, "---> Running in"), strings.HasPrefix(trimmed, "Removing intermediate container"),
		strings.HasPrefix(trimmed, "Successfully built"), strings.HasPrefix(trimmed, "Successfully tagged"):
	case trimmed == "---> Using cache":
		if b.now != nil {
			b.now.cached = true
		}
	case strings.HasPrefix(trimmed, "--->"):
	case b.now != nil:
		b.now.print([]byte(colours.Replace(text)))
	default:
		b.ui.Line(plugin.Plain, "%s", strings.TrimRight(text, "\n"))
	}
}

// colours are what the classic builder puts around what a command printed as an error.
var colours = strings.NewReplacer("\x1b[91m", "", "\x1b[0m", "")

var exitCode = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`exit code: (\d+)|non-zero code: (\d+)`) })

// failure names the instruction that failed.
func (b *buildOutput) failure(e *jsonstream.Error) error {
	f := &buildFailed{message: e.Message}
	if m := exitCode().FindStringSubmatch(e.Message); m != nil {
		_, _ = fmt.Sscan(m[1]+m[2], &f.code)
	}
	step := b.failed
	if step == nil && b.now != nil && !b.now.ended {
		step = b.now
	}
	if step != nil {
		f.instruction, f.printed = step.name, string(step.printed)
	}
	if _, rest, ok := strings.Cut(f.instruction, "] "); ok && strings.HasPrefix(f.instruction, "[") {
		f.instruction = rest
	}
	return f
}

// size is a number of bytes as people read it.
func size(n uint64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000_000:
		return fmt.Sprintf("%d kB", n/1000)
	case n < 1000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f GB", float64(n)/1e9)
}
