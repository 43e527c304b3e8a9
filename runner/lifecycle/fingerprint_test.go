package lifecycle

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// configured is a component with a configuration.
type configured struct{ config any }

func (c configured) Config() any { return c.config }

// oneJob is a job with directories of its own, whose template was rendered to text.
func oneJob(t *testing.T, project, text string) (j *stages, rendered string) {
	t.Helper()
	e := &evaluation{temp: t.TempDir()}
	e.input.ProjectDir = project
	if project == "" {
		e.input.ProjectDir = filepath.Join(e.temp, "source", "below")
	}
	tmp := filepath.Join(e.temp, "tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(tmp, renderedDirs)
	if err != nil {
		t.Fatal(err)
	}
	rendered = filepath.Join(dir, "app.conf")
	writeFile(t, rendered, text)
	return &stages{evaluation: e, prints: fingerprints{}}, rendered
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFingerprint_IsOfWhatTheStageIsMadeOf(t *testing.T) {
	project := t.TempDir()
	script := filepath.Join(project, "check.sh")
	type settings struct {
		Command []string
		Env     map[string]string
		Secret  string
	}
	hash := func(t *testing.T, text string, change func(*config.Stage, *settings)) []byte {
		t.Helper()
		j, rendered := oneJob(t, project, text)
		stage := &config.Stage{
			Kind: config.Deploy, Plugin: "process", Labels: map[string]string{"env": "prod"},
			Hooks: []config.Hook{{When: "before", Command: []string{"sh", "check.sh", "-c=" + rendered}, OnFailure: "fail"}},
		}
		s := &settings{Command: []string{"app", "--config=" + rendered + ",more"}, Env: map[string]string{"A": "1", "B": "2"}, Secret: "x"}
		if change != nil {
			change(stage, s)
		}
		return j.fingerprint(stage, configured{s}, "more")
	}
	writeFile(t, script, "true")
	first := hash(t, "a = 1", nil)
	if first == nil || !bytes.Equal(first, hash(t, "a = 1", nil)) {
		t.Fatal("two jobs of the same do not have the same fingerprint")
	}
	for name, change := range map[string]func(*config.Stage, *settings){
		"a setting":           func(_ *config.Stage, s *settings) { s.Env["B"] = "3" },
		"a secret":            func(_ *config.Stage, s *settings) { s.Secret = "y" },
		"a label":             func(st *config.Stage, _ *settings) { st.Labels["env"] = "test" },
		"the plugin":          func(st *config.Stage, _ *settings) { st.Plugin = "docker" },
		"a hook's command":    func(st *config.Stage, _ *settings) { st.Hooks[0].Command[0] = "bash" },
		"when a hook runs":    func(st *config.Stage, _ *settings) { st.Hooks[0].When = "after" },
		"a hook that may not": func(st *config.Stage, _ *settings) { st.Hooks[0].OnFailure = "continue" },
		"no hook":             func(st *config.Stage, _ *settings) { st.Hooks = nil },
	} {
		if bytes.Equal(first, hash(t, "a = 1", change)) {
			t.Errorf("%s does not count", name)
		}
	}
	if bytes.Equal(first, hash(t, "a = 2", nil)) {
		t.Error("a template's content does not count")
	}
	writeFile(t, script, "false")
	if bytes.Equal(first, hash(t, "a = 1", nil)) {
		t.Error("the content of a hook's script does not count")
	}
}

func TestLastingText(t *testing.T) {
	j, rendered := oneJob(t, "", "x")
	for name, c := range map[string]struct {
		text, want string
		err        error
	}{
		"plain":               {text: "a b", want: "a b"},
		"the source":          {text: j.input.ProjectDir + "/conf", want: filepath.Join("source", "below") + "/conf"},
		"else in the job dir": {text: filepath.Join(j.temp, "tmp", "elsewhere"), err: errNotKnown},
		"one that is gone":    {text: filepath.Join(j.temp, "tmp", renderedDirs+"0", "x"), err: os.ErrNotExist},
	} {
		got, err := j.lastingText(c.text)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	one, err := j.lastingText(rendered + " and " + rendered)
	if err != nil {
		t.Fatal(err)
	}
	other, again := oneJob(t, "", "x")
	two, err := other.lastingText(again + " and " + again)
	if err != nil || one != two {
		t.Errorf("%q and %q, %v", one, two, err)
	}
}

func TestStanding_ServesOnlyWithoutDoubt(t *testing.T) {
	whole := func() standing {
		return standing{
			deployment: &waypointv1.Deployment{
				Meta:       &waypointv1.RecordMeta{Id: "d", State: waypointv1.RecordState_RECORD_STATE_SUCCESS},
				ArtifactId: "a", Generation: "d", PhysicalState: waypointv1.PhysicalState_PHYSICAL_STATE_CREATED,
			},
			release: &waypointv1.Release{
				Meta:         &waypointv1.RecordMeta{Id: "r", State: waypointv1.RecordState_RECORD_STATE_SUCCESS},
				DeploymentId: "d", PhysicalState: waypointv1.PhysicalState_PHYSICAL_STATE_CREATED,
			},
		}
	}
	if !whole().serves() {
		t.Fatal("what serves does not")
	}
	for name, change := range map[string]func(*standing){
		"no deployment":         func(s *standing) { s.deployment = nil },
		"no release":            func(s *standing) { s.release = nil },
		"a failed deployment":   func(s *standing) { s.deployment.Meta.State = waypointv1.RecordState_RECORD_STATE_ERROR },
		"one that is under way": func(s *standing) { s.deployment.Meta.State = waypointv1.RecordState_RECORD_STATE_RUNNING },
		"a destroyed one":       func(s *standing) { s.deployment.PhysicalState = waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED },
		"one changed in place":  func(s *standing) { s.deployment.Generation = "web" },
		"another release":       func(s *standing) { s.release.DeploymentId = "e" },
		"a failed release":      func(s *standing) { s.release.Meta.State = waypointv1.RecordState_RECORD_STATE_ERROR },
		"a destroyed release":   func(s *standing) { s.release.PhysicalState = waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED },
	} {
		s := whole()
		if change(&s); s.serves() {
			t.Errorf("%s counts as serving", name)
		}
	}
}

func TestArtifactFingerprint_RequiresADigest(t *testing.T) {
	tagged := &waypointv1.PluginResult{TemplateJson: []byte(`{"image":"web","tag":"latest"}`)}
	if artifactFingerprint(tagged) != nil || withDigest([]byte("settings"), "") != nil || withDigest(nil, "sha256:1") != nil {
		t.Error("an artifact without a digest is known")
	}
	moved := bytes.Equal(withDigest([]byte("settings"), "sha256:1"), withDigest([]byte("settings"), "sha256:2"))
	if moved || bytes.Equal(artifactFingerprint(&waypointv1.PluginResult{Digest: "1"}), artifactFingerprint(&waypointv1.PluginResult{Digest: "2"})) {
		t.Error("the digest does not count")
	}
}

func TestEntrypointDigest_FollowsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "waypoint-entrypoint")
	var e EntrypointDigest
	if d, err := e.get(""); d != "" || err != nil {
		t.Errorf("no entrypoint: %q, %v", d, err)
	}
	writeFile(t, path, "one")
	one, err := e.get(path)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, "three")
	if three, err := e.get(path); err != nil || three == one {
		t.Errorf("the new entrypoint has the digest of the old one: %v", err)
	}
}

var _ plugin.Component = configured{}
