package runner_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
)

// loud is a plugin that says too much: what its functions return.
type loud struct {
	build     func(env *plugin.Call) (*plugin.Result, error)
	deploy    func() (*plugin.DeployResult, error)
	status    plugin.Status
	destroyed []string
}

func (p *loud) Config() any { return &struct{}{} }

func (p *loud) Build(_ context.Context, env *plugin.Call) (*plugin.Result, error) {
	if p.build == nil {
		return &plugin.Result{Portable: true}, nil
	}
	return p.build(env)
}

func (p *loud) Deploy(context.Context, *plugin.Call, *plugin.DeployRequest) (*plugin.DeployResult, error) {
	if p.deploy == nil {
		return &plugin.DeployResult{}, nil
	}
	return p.deploy()
}

func (p *loud) DestroyDeployment(_ context.Context, _ *plugin.Call, d *plugin.Deployment) error {
	p.destroyed = append(p.destroyed, d.ID)
	return nil
}

func (p *loud) DeploymentStatus(context.Context, *plugin.Call, *plugin.Deployment) (*plugin.Status, error) {
	return &p.status, nil
}

func (p *loud) definition() catalog.Definition {
	return catalog.Definition{Name: "loud", Builder: func() plugin.Builder { return p }, Platform: func() plugin.Platform { return p }}
}

// limits has the stand-in refuse what the server refuses: messages that the gateway does not carry, and what does not fit an item.
func (s *standIn) limits(next http.Handler) http.Handler {
	refuse := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := readBody(r)
		err := validate.Size("the request", len(body), validate.MaxMessage)
		switch method := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]; method {
		case "AppendOutput":
			err = errors.Join(err, validate.Size("events", len(body), validate.MaxAppendBytes))
		case "PutRecord":
			req := &waypointv1.PutRecordRequest{}
			if proto.Unmarshal([]byte(body), req) == nil {
				err = errors.Join(err, validate.Size("record", proto.Size(req.GetRecord()), validate.MaxRecord),
					validate.Labels("labels", meta(req.GetRecord()).GetLabels()))
			}
		case "ReportJob":
			err = errors.Join(err, validate.Size("report", len(body), validate.MaxReport))
		case "CompleteJob":
			err = errors.Join(err, validate.Size("result", len(body), validate.MaxResult))
		case "PutStatusReport":
			err = errors.Join(err, validate.Size("status", len(body), validate.MaxStatusReport))
		}
		if err != nil {
			_ = refuse.Write(w, r, fault.Connect(err))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// However much a plugin, a hook or a variable says, the job ends as it did, in its first attempt.
func TestAJobEndsAsItDidHoweverMuchItSays(t *testing.T) {
	const mega = 1 << 20
	long := strings.Repeat("caf\xe9 ", 2*mega) // not UTF-8 either
	several := func(n int, size int) (labels map[string]string) {
		labels = map[string]string{}
		for k := range n {
			labels[fmt.Sprintf("label-%03d", k)] = strings.Repeat("v", size)
		}
		return labels
	}
	resources := make([]plugin.Resource, 5_000)
	for i := range resources {
		resources[i] = plugin.Resource{Name: fmt.Sprintf("pod-%0100d", i), State: strings.Repeat("s", 1_000), HealthMessage: "caf\xe9"}
	}
	cases := map[string]struct {
		plugin    loud
		hook      string
		variables int
		state     waypointv1.JobState
		reason    fault.Reason
		message   string
		check     func(t *testing.T, w *world, p *loud, j *waypointv1.Job)
	}{
		"an error and a hint of megabytes": {
			plugin: loud{build: func(*plugin.Call) (*plugin.Result, error) { return nil, &plugin.Error{Message: long, Hint: long} }},
			state:  failed, reason: fault.PluginFailed, message: fmt.Sprintf("(%d bytes)", len(long)),
		},
		"a hook that prints megabytes without an end of line": {
			hook: "head -c 6000000 /dev/zero | tr '\\\\0' x; exit 7", state: failed, reason: fault.HookFailed, message: "exit code 7",
		},
		"tables and values of megabytes": {
			plugin: loud{build: func(env *plugin.Call) (*plugin.Result, error) {
				wide := make([]string, 2_000)
				for i := range wide {
					wide[i] = strings.Repeat("w", 1_000)
				}
				env.UI.Table(wide, [][]string{wide, wide, {"short"}})
				var pairs [][2]string
				for i := range 500 {
					pairs = append(pairs, [2]string{fmt.Sprint("name ", i), strings.Repeat("v", 10_000)})
				}
				env.UI.NamedValues(pairs...)
				env.UI.Line(plugin.Plain, "%s", long)
				fmt.Fprintln(env.UI.Stdout(), "and the last words")
				return &plugin.Result{Portable: true}, nil
			}},
			state: succeeded,
			check: func(t *testing.T, w *world, _ *loud, j *waypointv1.Job) {
				if !strings.Contains(w.api.text(j.GetId()), "and the last words") {
					t.Error("what came after is missing")
				}
			},
		},
		"labels and resources without end": {
			plugin: loud{
				deploy: func() (*plugin.DeployResult, error) {
					labels := several(100, 100)
					labels["too-long"], labels["not\xfftext"] = strings.Repeat("x", 1_000), "caf\xe9"
					return &plugin.DeployResult{Result: plugin.Result{Labels: labels, State: "kept"}, Resources: resources}, nil
				},
				status: plugin.Status{Health: plugin.Ready, Message: long, Resources: resources},
			},
			state: succeeded,
			check: func(t *testing.T, w *world, _ *loud, j *waypointv1.Job) {
				d := w.api.deployment(t, 0)
				if n := len(d.GetMeta().GetLabels()); n < 60 || n > validate.MaxLabels || string(d.GetResult().GetStateJson()) != `"kept"` || len(d.GetResources()) == 0 {
					t.Errorf("%d labels, %d resources, the state %s", n, len(d.GetResources()), d.GetResult().GetStateJson())
				}
				if len(w.api.reports) == 0 || !strings.Contains(w.api.reports[0].GetHealthMessage(), "more resources are not shown") {
					t.Error("the status is not reported")
				}
				if !strings.Contains(w.api.text(j.GetId()), "labels of loud are left out") {
					t.Error("nobody is told of the labels")
				}
			},
		},
		"a state that is too large: the deployment is removed again": {
			plugin: loud{deploy: func() (*plugin.DeployResult, error) {
				return &plugin.DeployResult{Result: plugin.Result{State: strings.Repeat("s", mega)}, URL: "http://loud.test"}, nil
			}},
			state: failed, reason: fault.TooLarge, message: `the state of the plugin "loud" has 1048578 bytes; at most 65536 can be stored`,
			check: func(t *testing.T, w *world, p *loud, _ *waypointv1.Job) {
				d := w.api.deployment(t, 0)
				if len(p.destroyed) != 1 || p.destroyed[0] != d.GetMeta().GetId() {
					t.Errorf("destroyed: %v", p.destroyed)
				}
				if d.GetPhysicalState() != waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED || d.GetMeta().GetState() != waypointv1.RecordState_RECORD_STATE_ERROR {
					t.Errorf("the record: %v", d)
				}
			},
		},
		"values of a build that no record holds": {
			plugin: loud{build: func(*plugin.Call) (*plugin.Result, error) {
				return &plugin.Result{Template: map[string]any{"x": strings.Repeat("t", 5*mega)}}, nil
			}},
			state: failed, reason: fault.TooLarge, message: "what the plugin loud keeps has",
			check: func(t *testing.T, w *world, _ *loud, _ *waypointv1.Job) {
				if m := meta(w.api.records[0]); m.GetState() != waypointv1.RecordState_RECORD_STATE_ERROR || m.GetError() == "" {
					t.Errorf("the record: %v", m)
				}
			},
		},
		"twenty variables of 60 KB": {
			variables: 20, state: succeeded,
			check: func(t *testing.T, _ *world, _ *loud, j *waypointv1.Job) {
				used := j.GetVariablesUsed()
				if len(used) != 20 || !strings.HasSuffix(used[0].GetValue(), "(61440 bytes)") {
					t.Errorf("%d variables, the first ends in %.20q", len(used), used[0].GetValue()[max(0, len(used[0].GetValue())-20):])
				}
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var text strings.Builder
			text.WriteString("project = \"p\"\n")
			s := spec(up(-1))
			for n := range c.variables {
				fmt.Fprintf(&text, "variable \"v%d\" {\n type = string\n default = \"\"\n}\n", n)
				s.Variables = append(s.Variables, &waypointv1.Variable{Name: fmt.Sprint("v", n), Value: strings.Repeat("x", 60<<10)})
			}
			hook := ""
			if c.hook != "" {
				hook = "hook {\n when = \"before\"\n command = [\"sh\", \"-c\", \"" + c.hook + "\"]\n}\n"
			}
			text.WriteString("app \"web\" {\n build {\n" + hook + "use \"loud\" {}\n}\n deploy {\n use \"loud\" {}\n}\n}\n")
			w := newWorld(t, map[string]string{"waypoint.hcl": text.String()})
			w.api.wrapped = w.api.limits
			w.plugins = []catalog.Definition{c.plugin.definition()}
			j := w.do(s)
			wantState(t, j, c.state, string(c.reason))
			if j.GetAttempt() != 1 || !strings.Contains(j.GetError().GetMessage(), c.message) {
				t.Errorf("attempt %d: %.200s", j.GetAttempt(), j.GetError().GetMessage())
			}
			if c.check != nil {
				c.check(t, w, &c.plugin, j)
			}
		})
	}
}

// deployment is the nth deployment that was recorded.
func (s *standIn) deployment(t *testing.T, n int) *waypointv1.Deployment {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.records {
		if d := r.GetDeployment(); d != nil {
			if n == 0 {
				return proto.CloneOf(d)
			}
			n--
		}
	}
	t.Fatal("there is no such deployment")
	return nil
}
