package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/infra/template"
)

type calls struct {
	Actions map[string][]string
	Roles   map[string][]string
}

func load(t *testing.T) calls {
	t.Helper()
	raw, err := os.ReadFile("calls.json")
	if err != nil {
		t.Fatal(err)
	}
	var c calls
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// A new call of the SDK in the functions needs an entry, and with it somebody who thinks about its permission.
func TestEveryCallSiteOfTheFunctionsIsListed(t *testing.T) {
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
	c := load(t)
	var listed []string
	for _, role := range []string{"api", "tail", "sweep"} {
		listed = append(listed, c.Roles[role]...)
	}
	for call := range found {
		if c.Actions[call] == nil || !slices.Contains(listed, call) {
			t.Errorf("the functions call %s, which calls.json does not list", call)
		}
	}
	for _, call := range listed {
		if !found[call] && strings.Contains(call, ".") {
			t.Errorf("calls.json lists %s, which the functions do not call", call)
		}
	}
}

// The roles' actions are exactly those of the listed calls.
func TestRolesMayWhatTheirCallsNeed(t *testing.T) {
	c := load(t)
	for _, r := range template.Roles() {
		var have, want []string
		for _, s := range r.Statements {
			have = append(have, s.Actions...)
		}
		for _, call := range c.Roles[r.Name] {
			want = append(want, c.Actions[call]...)
		}
		slices.Sort(have)
		slices.Sort(want)
		if have, want := slices.Compact(have), slices.Compact(want); !slices.Equal(have, want) {
			t.Errorf("%s may\n%q and its calls need\n%q", r.Name, have, want)
		}
	}
}
