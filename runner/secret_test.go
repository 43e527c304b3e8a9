package runner_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/oklog/ulid/v2"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
)

// blabber is a plugin that thinks of nothing: it shows what it was given in every way that there is.
type blabber struct {
	config struct {
		Values []string `hcl:"values"`
		// Where it fails: "build", "deploy", "release", "panic", or nowhere.
		Fail string `hcl:"fail,optional"`
		Auth *struct {
			Password string `hcl:"password,optional"`
		} `hcl:"auth,block"`
	}
}

func (b *blabber) Config() any { return &b.config }

func (b *blabber) blab(env *plugin.Call, stage string) (string, error) {
	values := b.config.Values
	if b.config.Auth != nil {
		values = append(values, b.config.Auth.Password)
	}
	all := strings.Join(values, " ")
	for _, v := range values {
		env.UI.Line(plugin.Info, "line %s and %q", v, v)
		env.UI.Table([]string{v}, [][]string{{v, "a" + v + "b"}})
		env.UI.NamedValues([2]string{v, v})
		step := env.UI.Step("step %s", v)
		step.Update("update --token=%s", v)
		half := len(v) / 2
		for _, w := range []io.Writer{env.UI.Stdout(), env.UI.Stderr(), step.Output()} {
			_, _ = io.WriteString(w, "in two pieces: "+v[:half])
			_, _ = io.WriteString(w, v[half:]+" and "+base64.StdEncoding.EncodeToString([]byte("user:"+v))+"\n")
			_, _ = io.WriteString(w, url.QueryEscape(v))
		}
		step.Fail("failed: %s", v)
		env.Logger.Error("it is "+v, "value", v, "error", errors.New(v)) //nolint:sloglint // a careless plugin
	}
	switch b.config.Fail {
	case "panic":
		panic("values: " + all)
	case stage:
		return all, &plugin.Error{Message: "no " + all + strings.Repeat("x", 3990-len(all)) + all, Hint: "say " + all, Cause: errors.New(all)}
	}
	return all, nil
}

func (b *blabber) Build(_ context.Context, env *plugin.Call) (*plugin.Result, error) {
	all, err := b.blab(env, "build")
	return &plugin.Result{
		State: map[string]any{"s": all, "list": b.config.Values}, Template: map[string]any{"t": all}, Labels: map[string]string{"l": all},
	}, err
}

func (b *blabber) Deploy(_ context.Context, env *plugin.Call, _ *plugin.DeployRequest) (*plugin.DeployResult, error) {
	all, err := b.blab(env, "deploy")
	return &plugin.DeployResult{
		Result: plugin.Result{State: all}, URL: "http://x/?" + url.QueryEscape(all),
		Resources: []plugin.Resource{{ID: all, Name: all, HealthMessage: all, State: all, PlatformURL: all}},
	}, err
}

func (b *blabber) DeploymentStatus(_ context.Context, env *plugin.Call, _ *plugin.Deployment) (*plugin.Status, error) {
	all, err := b.blab(env, "status")
	return &plugin.Status{Health: plugin.Ready, Message: all, Resources: []plugin.Resource{{ID: all, State: all}}}, err
}

func (b *blabber) Release(_ context.Context, env *plugin.Call, _ *plugin.Deployment) (*plugin.ReleaseResult, error) {
	all, err := b.blab(env, "release")
	return &plugin.ReleaseResult{URL: "http://" + all, Result: plugin.Result{State: all}}, err
}

const blabberHCL = `project = "p"
runner {
  data_source "git" {
    url      = "https://ada:marker-url-password@example.com/x.git"
    password = "marker-git-password"
  }
}
variable "flag" {
  sensitive = true
}
variable "server" {}
variable "default" {
  sensitive = true
  default   = { a = ["marker-default-value"] }
}
app "web" {
  labels = { label = var.flag }
  config {
    env = {
      FLAG    = var.flag
      DERIVED = upper(var.server)
      PLAIN   = "plain"
    }
  }
  build {
    labels = { more = "x-${var.server}" }
    use "blabber" {
      values = concat(local_values...)
      fail   = "%[1]s"
      auth { password = "marker-password-value" }
    }
    hook {
      when    = "before"
      command = ["sh", "-c", "echo $0 $RUNNER; echo $RUNNER_PLAIN >&2; exit %[2]d", var.flag]
    }
  }
  deploy {
    use "blabber" {
      values = local_values
      fail   = "%[1]s"
    }
  }
  release {
    use "blabber" {
      values = concat(local_values, [entrypoint.env.WAYPOINT_SERVER_ADDR])
      fail   = "%[1]s"
    }
  }
}
`

// A sensitive value is in nothing that the runner says to the server or to its log, however it came to the job, whatever a
// plugin does with it, and whether the job succeeds or fails.
func TestARunnerSaysNoSensitiveValue(t *testing.T) {
	const plain = "marker-runner-plain"
	values := `[var.flag, "Bearer ${var.server}", upper(var.flag), base64encode("x${var.server}y"), sha256(var.flag), var.default.a[0], sensitive("marker-literal-value"), "https://x:marker-url-password@y", "marker-git-password"]`
	secrets := []string{
		"marker-flag-value", "marker-server-value", "MARKER-FLAG-VALUE", "marker-default-value", "marker-literal-value",
		"marker-password-value", "marker-git-password", "marker-url-password", "marker-runner-secret",
	}
	for name, tt := range map[string]struct {
		fail string
		exit int
		want waypointv1.JobState
	}{
		"succeeds": {want: succeeded}, "build": {fail: "build", want: failed}, "deploy": {fail: "deploy", want: failed},
		"release": {fail: "release", want: failed}, "panic": {fail: "panic", want: failed}, "hook": {exit: 3, want: failed},
	} {
		t.Run(name, func(t *testing.T) {
			hcl := strings.ReplaceAll(fmt.Sprintf(blabberHCL, tt.fail, tt.exit), "concat(local_values...)", values)
			hcl = strings.ReplaceAll(hcl, "local_values", values)
			w := newWorld(t, map[string]string{"waypoint.hcl": hcl})
			var mu sync.Mutex
			heard := map[string]string{}
			w.api.heard = func(method, body string) {
				mu.Lock()
				defer mu.Unlock()
				heard[method] += body + "\n"
			}
			s := spec(up(-1))
			s.Variables = []*waypointv1.Variable{{Name: "flag", Value: "marker-flag-value", Source: waypointv1.VariableSource_VARIABLE_SOURCE_FLAG}}
			id := ulid.Make().String()
			item := w.api.add(id, s, waypointv1.JobState_JOB_STATE_READY)
			item.vars = []*waypointv1.Variable{{Name: "server", Value: "marker-server-value", Sensitive: true}}
			item.env = map[string]string{"RUNNER": "marker-runner-secret", "RUNNER_PLAIN": plain}
			item.sensitive = []string{"RUNNER"}
			var log bytes.Buffer
			r, err := runner.New(runner.Options{
				Client: w.c, Kind: waypointv1.RunnerKind_RUNNER_KIND_CLI, LocalDir: w.dir, Environ: os.Environ(),
				Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
				Catalog: catalog.NewCatalog(catalog.Definition{
					Name: "blabber", Builder: func() plugin.Builder { return &blabber{} },
					Platform: func() plugin.Platform { return &blabber{} }, Releaser: func() plugin.Releaser { return &blabber{} },
				}),
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := r.RunJob(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			j := w.api.job(id)
			if j.GetState() != tt.want {
				t.Fatalf("%s: %v\n%s", j.GetState(), j.GetError(), w.api.text(id))
			}
			mu.Lock()
			defer mu.Unlock()
			heard["log"] = log.String()
			heard["text"] = w.api.text(id)
			for method, body := range heard {
				if method == "SyncConfig" {
					continue // what the app is to have
				}
				for _, secret := range secrets {
					for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte("user:" + secret))} {
						if i := strings.Index(body, form); i >= 0 {
							t.Errorf("%s holds %s: …%q…", method, form, body[max(0, i-100):min(len(body), i+60)])
						}
					}
				}
			}
			if strings.Contains(heard["text"], plain) {
				t.Error("the output holds what is configured for runners")
			}
			if tt.exit == 0 && !strings.Contains(heard["text"], "in two pieces: (sensitive) and ") {
				t.Errorf("the output is not as expected:\n%s", heard["text"])
			}
			for _, e := range w.api.synced {
				if e.GetSensitive() != (e.GetName() != "PLAIN") || e.GetName() == "DERIVED" && e.GetValue() != "MARKER-SERVER-VALUE" {
					t.Errorf("%v", e)
				}
			}
		})
	}
}
