//go:build unix

package exec

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/output"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

type printed struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (p *printed) append(_ context.Context, n int64, events []*waypointv1.OutputEvent) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range events {
		p.buf.Write(e.GetRaw().GetData())
	}
	return n + 1, nil
}

func deploy(t *testing.T, c Config) (out string, err error) {
	t.Helper()
	var p printed
	ui := output.New(t.Context(), output.Options{Append: p.append})
	dir := t.TempDir()
	for name, text := range map[string]string{
		"app.conf":    "image=${artifact.image}:${artifact.tag} app=${app.name} env=${entrypoint.env.TOKEN} %{for k, v in labels}${k}=${v} %{endfor}$${kept}\n",
		"conf.d/a":    "${upper(workspace.name)}",
		"bad.conf":    "${artifact.nothing}",
		"conf.d/x/b":  "${jsonencode(artifact)}",
		"not-text.in": "${artifact}",
		"bin/run.sh":  "#!/bin/sh\necho ${app.name} runs\n",
		"crlf.sh":     "#!/bin/sh\r\n",
		"bin/logo":    "\x89PNG \xff${",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(filepath.Join(dir, "bin/run.sh"), 0o755), os.Chmod(filepath.Join(dir, "crlf.sh"), 0o755), os.Symlink("run.sh", filepath.Join(dir, "bin/start"))); err != nil {
		t.Fatal(err)
	}
	platform := Definition().Platform()
	*platform.Config().(*Config) = c
	_, err = platform.Deploy(t.Context(), &plugin.Call{
		Host: plugin.Host{UI: ui},
		Env: plugin.Env{
			Project: "p", App: "web", Workspace: "dev", Dir: dir, ProjectDir: dir, TempDir: t.TempDir(),
			Labels: map[string]string{"team": "a"},
		},
	}, &plugin.DeployRequest{
		Artifact:     &plugin.Artifact{Template: map[string]any{"image": "nginx", "tag": "1"}},
		DeploymentID: "01JD", Sequence: 7, EntrypointEnv: map[string]string{"TOKEN": "secret"},
	})
	if closeErr := ui.Close(t.Context()); closeErr != nil {
		t.Fatal(closeErr)
	}
	return p.buf.String(), err
}

func TestDeploy(t *testing.T) {
	tpl := func(path string) []*Template { return []*Template{{Path: path}} }
	cases := map[string]struct {
		config Config
		out    string
		fails  string
	}{
		"the command gets the deployment in its environment": {
			config: Config{Command: []string{"sh", "-c", "echo $WAYPOINT_APP $WAYPOINT_DEPLOYMENT_ID $WAYPOINT_DEPLOYMENT_SEQUENCE"}},
			out:    "web 01JD 7\n",
		},
		"a file is rendered": {
			config: Config{Command: []string{"cat", "<TPL>"}, Template: tpl("app.conf")},
			out:    "image=nginx:1 app=web env=secret team=a ${kept}\n",
		},
		"a directory is rendered": {
			config: Config{Command: []string{"sh", "-c", "cat <TPL>/a <TPL>/x/b"}, Template: tpl("conf.d")},
			out:    `DEV{"image":"nginx","tag":"1"}`,
		},
		"modes and links are kept, and what is not text": {
			config: Config{Command: []string{"sh", "-c", "cd <TPL> && ./start && readlink start && stat -c %a run.sh && cmp logo " + `"$OLDPWD"/bin/logo`}, Template: tpl("bin")},
			out:    "web runs\nrun.sh\n755\n",
		},
		"a program is rendered": {
			config: Config{Command: []string{"<TPL>"}, Template: tpl("bin/start")},
			out:    "web runs\n",
		},
		"the exit code is told":                  {config: Config{Command: []string{"sh", "-c", "echo so far; exit 4"}}, out: "so far\n", fails: "exit code 4"},
		"a directory that is missing":            {config: Config{Command: []string{"true"}, Dir: "nodir"}, fails: `dir = "nodir": there is no directory `},
		"Windows line ends":                      {config: Config{Command: []string{"./crlf.sh"}}, fails: "Windows line ends"},
		"an empty command":                       {config: Config{}, fails: "empty"},
		"a placeholder without template":         {config: Config{Command: []string{"cat", "<TPL>"}}, fails: "no template"},
		"a template with an unknown value":       {config: Config{Command: []string{"true"}, Template: tpl("bad.conf")}, fails: "bad.conf"},
		"a template that is no text":             {config: Config{Command: []string{"true"}, Template: tpl("not-text.in")}, fails: "jsonencode"},
		"a template that is missing":             {config: Config{Command: []string{"true"}, Template: tpl("gone")}, fails: "gone"},
		"the entrypoint's token stays out of it": {config: Config{Command: []string{"sh", "-c", "env | grep -c secret || true"}}, out: "0\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			out, err := deploy(t, c.config)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("got %v", err)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if out != c.out {
				t.Fatalf("got  %q\nwant %q", out, c.out)
			}
		})
	}
}
