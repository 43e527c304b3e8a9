package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/runner/command"
	"github.com/waypoint-serverless/waypoint/runner/lease"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/source"
)

func TestToPrune(t *testing.T) {
	created, destroyed := waypointv1.PhysicalState_PHYSICAL_STATE_CREATED, waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED
	d := func(n int64, plugin, generation string, state waypointv1.PhysicalState) *waypointv1.Deployment {
		return &waypointv1.Deployment{
			Meta:       &waypointv1.RecordMeta{Id: fmt.Sprint(n), Sequence: n, Plugin: plugin},
			Generation: generation, PhysicalState: state,
		}
	}
	all := []*waypointv1.Deployment{
		d(2, "a", "g2", created), d(6, "a", "g6", created), d(1, "a", "g1", destroyed), d(3, "b", "g3", created),
		d(5, "a", "g6", created), d(4, "a", "g4", created), d(7, "a", "g7", created),
	}
	cases := map[string]struct {
		retain int32
		want   string
	}{
		"the default keeps one": {-1, "4 2"},
		"none":                  {0, "7 4 2"},
		"two":                   {2, "2"},
		"more than there are":   {9, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			// The target is 6; 5 is the same thing, 3 another platform's, 1 gone.
			for _, x := range toPrune(all, all[1], c.retain) {
				got = append(got, x.GetMeta().GetId())
			}
			if strings.Join(got, " ") != c.want {
				t.Fatalf("got %v", got)
			}
		})
	}
}

func TestRecordIDsAreTheSameInEachAttempt(t *testing.T) {
	const job = "01JD2Z6Q0V9X8W7R5T3P1N4M6K"
	a, err := recordID(job, stepDeploy)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := recordID(job, stepDeploy)
	build, _ := recordID(job, stepBuild)
	other, _ := recordID("01JD2Z6Q0V9X8W7R5T3P1N4M6M", stepDeploy)
	if a != again || a == build || a == other || a[:10] != job[:10] {
		t.Fatalf("got %s %s %s %s", a, again, build, other)
	}
	if _, err := recordID("x", stepDeploy); err == nil {
		t.Fatal("a broken id was accepted")
	}
}

func TestTheEnvironmentOfCommands(t *testing.T) {
	got := environment(
		[]string{"PATH=/bin", "AWS_REGION=old", "WAYPOINT_SERVER_TOKEN=secret"},
		map[string]string{"AWS_REGION": "new", "B": "2", "A": "1", "WAYPOINT_TOKEN": "secret"},
	)
	if want := []string{"PATH=/bin", "A=1", "AWS_REGION=new", "B=2"}; !slices.Equal(got, want) {
		t.Fatalf("got %v", got)
	}
}

func TestErrorsHaveAStableReason(t *testing.T) {
	cases := map[string]struct {
		err          error
		reason, hint string
	}{
		"a plugin's":        {&plugin.Error{Message: "no", Hint: "do"}, "PLUGIN_FAILED", "do"},
		"any other":         {errors.New("no"), "PLUGIN_FAILED", ""},
		"a command's":       {&command.ExitError{Program: "x", Code: 3}, "PLUGIN_FAILED", "What it printed is shown above."},
		"a source's":        {fmt.Errorf("fetching: %w", &source.Error{Message: "no", Hint: "do"}), "SOURCE_FAILED", "do"},
		"a cancel":          {fmt.Errorf("x: %w", lease.ErrCanceled), "CANCELED", ""},
		"an own":            {&failure{reason: fault.HookFailed, message: "no", hint: "do"}, "HOOK_FAILED", "do"},
		"the server's word": {fault.New(connect.CodeInvalidArgument, fault.TooLarge, "too large").WithHint("do"), "TOO_LARGE", "do"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := jobError(c.err, "build", nil)
			if got.GetReason() != c.reason || got.GetHint() != c.hint || got.GetStep() != "build" || got.GetMessage() == "" {
				t.Fatalf("got %v", got)
			}
		})
	}
}

func TestAnArtifactOfAnotherMachineIsRefused(t *testing.T) {
	j := &records{attempt: &attempt{h: &Host{Hostname: "here"}}}
	meta := func(host string) *waypointv1.RecordMeta {
		return &waypointv1.RecordMeta{Sequence: 3, Labels: map[string]string{labelHost: host}}
	}
	cases := map[string]struct {
		host     string
		portable bool
		ok       bool
	}{
		"made here": {"here", false, true}, "made elsewhere": {"there", false, false},
		"portable": {"there", true, true}, "of unknown origin": {"", false, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := j.reachable("artifact", meta(c.host), &waypointv1.PluginResult{Portable: c.portable})
			if (err == nil) != c.ok {
				t.Fatal(err)
			}
		})
	}
}

func TestWhatTheServerCannotKeepOfAConfigStanza(t *testing.T) {
	cases := map[string]struct {
		entry  config.ConfigEntry
		beyond bool
	}{
		"a value":         {config.ConfigEntry{Name: "A", Value: "1"}, false},
		"a workspace":     {config.ConfigEntry{Name: "A", Workspace: "dev"}, false},
		"a dynamic one":   {config.ConfigEntry{Name: "A", Dynamic: &config.Dynamic{From: "vault"}}, true},
		"a label's":       {config.ConfigEntry{Name: "A", LabelSelector: "x == y"}, true},
		"a runner's":      {config.ConfigEntry{Name: "A", Runner: true}, true},
		"a late template": {config.ConfigEntry{Name: "A", Template: "${config.env.B}"}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := beyond(c.entry) != ""; got != c.beyond {
				t.Fatalf("got %v", got)
			}
		})
	}
}

func TestACredentialIsForItsOrigin(t *testing.T) {
	git := &waypointv1.GitSource{Url: "https://git.example.com/acme/shop.git", Username: "ada", Password: "swordfish"}
	for address, want := range map[string]string{
		"https://git.example.com/acme/other.git":     "swordfish",
		"https://GIT.example.com/":                   "swordfish",
		"http://git.example.com/acme/shop.git":       "",
		"https://git.example.com:8443/acme/shop.git": "",
		"https://git.example.com.evil.example/a.git": "",
		"ssh://git.example.com/acme/shop.git":        "",
		"https://git.example.com@evil.example/x.git": "",
		"%": "",
	} {
		got, err := gitCredential(git, address)
		if got.Password != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v", address, got.Password, err)
		}
	}
	if _, err := gitCredential(nil, "https://git.example.com/"); err == nil {
		t.Error("without a git source there is no credential")
	}
	inURL := &waypointv1.GitSource{Url: "https://ada:trout@git.example.com/shop.git"}
	if got, err := gitCredential(inURL, "https://git.example.com/shop.git"); err != nil || got.Password != "trout" || got.Username != "ada" {
		t.Error(got, err)
	}
}
