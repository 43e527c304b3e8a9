package main

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/infra/template"
)

// reviewed is actions.json.
type reviewed struct {
	Actions    map[string][]string
	Unrecorded map[string]json.RawMessage
}

func load(t *testing.T) (reviewed, map[string][]string) {
	t.Helper()
	raw, err := os.ReadFile("actions.json")
	if err != nil {
		t.Fatal(err)
	}
	var r reviewed
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	all, err := readCalls()
	if err != nil {
		t.Fatal(err)
	}
	for role, list := range r.Unrecorded {
		var more []string
		if role != "comment" {
			if err := json.Unmarshal(list, &more); err != nil {
				t.Fatal(err)
			}
			all[role] = append(all[role], more...)
		}
	}
	return r, all
}

// operations are those of a list of calls: a transaction is one, whatever it is made of.
func operations(list []string) []string {
	var out []string
	for _, call := range list {
		operation, _, _ := strings.Cut(call, " ")
		operation, _, _ = strings.Cut(operation, "/")
		out = append(out, operation)
	}
	return out
}

// A call site that no test reaches is in no list: this finds it in the source.
func TestEveryCallSiteOfTheFunctionsWasReached(t *testing.T) {
	site := regexp.MustCompile(`\.([A-Z][A-Za-z]+)\(ctx, (?:&(dynamodb|sqs|sts|ssm|kms|lambda|s3)\.[A-Za-z]+Input|in\b|q\b)`)
	found := map[string]bool{}
	root := filepath.Join("..", "..", "functions")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
			strings.Contains(path, "tabletest") || filepath.Base(path) == "provision.go" { // which only installers call
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range site.FindAllStringSubmatch(string(source), -1) {
			if m[2] != "" {
				found[m[2]+"."+m[1]] = true
			}
		}
		// SSM and KMS are called by their wire names.
		for _, m := range regexp.MustCompile(`"(AmazonSSM|TrentService)\.([A-Za-z]+)"`).FindAllStringSubmatch(string(source), -1) {
			found[map[string]string{"AmazonSSM": "ssm", "TrentService": "kms"}[m[1]]+"."+m[2]] = true
		}
		// Calls whose input is a variable: its type says the service.
		for _, m := range regexp.MustCompile(`&(dynamodb|sqs|sts|ssm|kms)\.([A-Za-z]+)Input\{`).FindAllStringSubmatch(string(source), -1) {
			found[m[1]+"."+m[2]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, all := load(t)
	var listed []string
	for _, role := range []string{"api", "tail", "sweep"} {
		listed = append(listed, operations(all[role])...)
	}
	for call := range found {
		if !slices.Contains(listed, call) {
			t.Errorf("the functions can call %s, and no test saw them do it", call)
		}
	}
	for _, call := range listed {
		if !found[call] && !strings.HasPrefix(call, "logs.") && call != "sts.GetCallerIdentity" {
			t.Errorf("calls.json lists %s, of which no call site was found", call)
		}
	}
}

// The runner's keys are for its own calls, which no function makes.
func TestTheRunnersCallsAreListed(t *testing.T) {
	found := map[string]bool{}
	err := filepath.WalkDir(filepath.Join("..", "..", "runner"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range regexp.MustCompile(`\bsqs\.([A-Za-z]+)Input\{`).FindAllStringSubmatch(string(source), -1) {
			found["sqs."+m[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, all := load(t)
	want := slices.Sorted(maps.Keys(found))
	if got := slices.Sorted(slices.Values(operations(all["runner"]))); !slices.Equal(got, want) {
		t.Errorf("the runner calls %q, actions.json lists %q", want, got)
	}
}

// The roles' actions are exactly those of the listed calls.
func TestRolesMayWhatTheirCallsNeed(t *testing.T) {
	reviewed, all := load(t)
	for _, r := range template.Roles() {
		var have, want []string
		for _, s := range r.Statements {
			have = append(have, s.Actions...)
		}
		for _, call := range all[r.Name] {
			operation, _, _ := strings.Cut(call, " ")
			actions, known := reviewed.Actions[operation]
			if !known {
				t.Errorf("actions.json says nothing of %s", operation)
			}
			want = append(want, actions...)
		}
		slices.Sort(have)
		slices.Sort(want)
		if have, want := slices.Compact(have), slices.Compact(want); !slices.Equal(have, want) {
			t.Errorf("%s may\n%q and its calls need\n%q", r.Name, have, want)
		}
	}
}

func TestDifferencesAreSaidBothWays(t *testing.T) {
	got := differences(map[string][]string{"api": {"a x", "b x"}}, map[string][]string{"api": {"b x"}, "tail": {"c x"}})
	want := []string{"api never made a call that is listed: a x", "tail made a call that is not listed: c x"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
