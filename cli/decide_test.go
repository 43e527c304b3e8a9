package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/contexts"
	"github.com/waypoint-serverless/waypoint/internal/config"
)

func TestWhereAnOperationRuns(t *testing.T) {
	yes, no := boolFlag{set: true, value: true}, boolFlag{set: true}
	for _, c := range []struct {
		name   string
		facts  facts
		remote bool
		reason fault.Reason
	}{
		{"nothing set up: here", facts{}, false, ""},
		{"enabled, a source and a runner: remote", facts{remoteEnabled: true, hasSource: true, standing: true}, true, ""},
		{"not enabled: here", facts{hasSource: true, standing: true}, false, ""},
		{"no source: here", facts{remoteEnabled: true, standing: true}, false, ""},
		{"no runner: here", facts{remoteEnabled: true, hasSource: true}, false, ""},
		{"-local wins", facts{flag: yes, remoteEnabled: true, hasSource: true, standing: true}, false, ""},
		{"-local=false wins, and waits for a runner", facts{flag: no, hasSource: true}, true, ""},
		{"-local=false without a source is refused", facts{flag: no}, false, "NO_DATA_SOURCE"},
		{"another project: remote", facts{foreign: true, hasSource: true}, true, ""},
		{"another project without a source is refused", facts{foreign: true}, false, "NO_DATA_SOURCE"},
		{"another project with -local is refused", facts{foreign: true, hasSource: true, flag: yes}, false, "NO_LOCAL_SOURCE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := place(c.facts)
			if c.reason != "" {
				if !isReason(err, c.reason) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil || got.remote != c.remote {
				t.Errorf("got remote=%t, %v", got.remote, err)
			}
		})
	}
}

func TestWhichApps(t *testing.T) {
	for _, c := range []struct {
		name         string
		flag         string
		local, known []string
		want         string
		fails        bool
	}{
		{"all of the file", "", []string{"a", "b"}, []string{"c"}, "a b", false},
		{"all that the server knows", "", nil, []string{"c", "d"}, "c d", false},
		{"the named one", "b", []string{"a", "b"}, nil, "b", false},
		{"the named one that only the server knows", "c", []string{"a"}, []string{"c"}, "c", false},
		{"an unknown one", "x", []string{"a"}, []string{"c"}, "", true},
		{"none at all", "", nil, nil, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := pickApps(c.flag, c.local, c.known)
			if (err != nil) != c.fails || strings.Join(got, " ") != c.want {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestWhatAnErrorSays(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want report
	}{
		{"our own, wrapped", fmt.Errorf("listing: %w", problem("X", "it broke").withHint("Mend it.")), report{"listing: it broke", "", "Mend it."}},
		{
			"the server's, over the wire",
			fmt.Errorf("queueing: %w", fault.Connect(fault.New(connect.CodeNotFound, fault.ProjectNotFound, "no project %q", "x").WithHint("Init it."))),
			report{`no project "x"`, "PROJECT_NOT_FOUND", "Init it."},
		},
		{
			"the server's without a hint gets ours", fault.Connect(fault.New(connect.CodeNotFound, fault.JobNotFound, "no job")),
			report{"no job", "JOB_NOT_FOUND", "`waypoint job list` shows the jobs."},
		},
		{
			"nobody answered", connect.NewError(connect.CodeUnavailable, errors.New("dial tcp: refused")),
			report{"the server at ADDR cannot be reached: dial tcp: refused", "", "Check the address (`waypoint context inspect`) and that the server is running."},
		},
		{"any other", errors.New("disk on fire"), report{"disk on fire", "", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := explain(c.err, &server{Context: contexts.Context{Address: "ADDR"}}); got != c.want {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestErrorsOfSeveralAppsAreAllShownAndNothingActsAsAFormat(t *testing.T) {
	env := testEnv(t)
	sh := newShell(Deps{Env: env})
	sh.showError(errors.Join(problem("A", "app a: 100%%s %s", "%d").withHint("100%% of it"), errSilent, errors.New("app b:\x1b[2J failed")))
	want := "Error: App a: 100%s %d\n  100% of it\nError: App b: failed\n"
	if got := env.Err.(*bytes.Buffer).String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestJSONOfMessages(t *testing.T) {
	got, err := json.Marshal(jsonObject(&waypointv1.Deployment{
		Meta: &waypointv1.RecordMeta{
			Id: "01", Sequence: 3, State: waypointv1.RecordState_RECORD_STATE_SUCCESS, StartedUnixMs: 1_700_000_000_123,
			Labels: map[string]string{"a": "b"}, Source: &waypointv1.SourceRef{Commit: "abc", CommitTimeUnix: 1_700_000_000},
		},
		Result:    &waypointv1.PluginResult{StateJson: []byte(`{"port":8080}`), Portable: true},
		Resources: []*waypointv1.Resource{{Name: "r", Health: waypointv1.Health_HEALTH_READY}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"sequence":3`, `"state":"success"`, `"started_at":"2023-11-14T22:13:20.123Z"`, `"commit_time":"2023-11-14T22:13:20.000Z"`,
		`"labels":{"a":"b"}`, `"state":{"port":8080}`, `"portable":true`, `"health":"ready"`, `"physical_state":""`,
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s is missing in %s", want, got)
		}
	}
	for _, not := range []string{"unix", "completed", "UNSPECIFIED", "template"} {
		if strings.Contains(string(got), not) {
			t.Errorf("%s is in %s", not, got)
		}
	}
}

func TestOfVariablesTheLastValueCounts(t *testing.T) {
	got, err := toVariables([]config.VarInput{
		{Name: "a", Value: "env", Source: config.SourceEnv}, {Name: "b", Value: "x", Source: config.SourceFlag},
		{Name: "a", Value: "flag", Source: config.SourceFlag}, {Name: "c", Value: "y", Source: config.SourceFlag},
	}, map[string]bool{"a": false, "b": true})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, v := range got {
		lines = append(lines, fmt.Sprintf("%s=%s sensitive=%t", v.GetName(), v.GetValue(), v.GetSensitive()))
	}
	want := "a=flag sensitive=false; b=x sensitive=true; c=y sensitive=true" // c is not declared here: nobody knows
	if s := strings.Join(lines, "; "); s != want {
		t.Errorf("got %s", s)
	}
}

func TestSettingLines(t *testing.T) {
	got, err := settingLines(strings.NewReader("# comment\nA=1\r\n\n  \nB= with spaces \n"))
	if err != nil || fmt.Sprintf("%q", got) != `["A=1" "B= with spaces "]` {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := settingLines(strings.NewReader("\n#\n")); err == nil {
		t.Error("nothing to set is no error")
	}
}

func TestContextNames(t *testing.T) {
	for addr, want := range map[string]string{
		"https://waypoint.example.com/prod": "waypoint.example.com", "http://127.0.0.1:9701": "127.0.0.1",
		"unix:///run/api.sock": "default", "https://[::1]:1": "1", "nonsense": "default",
	} {
		if got := contextName(addr); got != want {
			t.Errorf("%s: got %q, want %q", addr, got, want)
		}
	}
}

func TestPagesReadsUntilTheLimit(t *testing.T) {
	for _, c := range []struct{ limit, want, calls int }{{0, 450, 3}, {10, 10, 1}, {200, 200, 1}, {201, 201, 2}, {1000, 450, 3}} {
		calls, left := 0, 450
		got, err := pages(c.limit, func(p *waypointv1.Page) ([]int, string, error) {
			calls++
			n := min(int(p.GetSize()), left)
			left -= n
			next := ""
			if left > 0 {
				next = "more"
			}
			return make([]int, n), next, nil
		})
		if err != nil || len(got) != c.want || calls != c.calls {
			t.Errorf("limit %d: %d items in %d calls, %v", c.limit, len(got), calls, err)
		}
	}
}

func TestSentences(t *testing.T) {
	for in, want := range map[string]string{
		"the job failed": "The job failed", "unknown flag: --x": "Unknown flag: --x", `"x" is wrong`: `"x" is wrong`,
		"waypoint.hcl has errors": "waypoint.hcl has errors", "-limit 0: no": "-limit 0: no", "": "", "über alles": "Über alles",
	} {
		if got := sentence(in); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
