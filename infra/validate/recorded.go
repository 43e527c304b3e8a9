package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/waypoint-serverless/waypoint/internal/awscalls"
)

// callsFile lists, by function, the calls that the test suite saw it make: "operation resource".
const callsFile = "calls.json"

// fromRecording holds callsFile to what a run of the test suite recorded in dir, or writes it.
func fromRecording(dir string, write bool) error {
	seen, err := awscalls.Read(dir)
	if err != nil {
		return err
	}
	if len(seen) == 0 {
		return fmt.Errorf("nothing is recorded in %s: run the tests with %s=%s", dir, awscalls.Variable, dir)
	}
	got := map[string][]string{}
	for _, c := range seen {
		got[c.Function] = append(got[c.Function], c.Operation+" "+c.Resource)
	}
	if list := got["?"]; len(list) > 0 {
		return fmt.Errorf("calls made outside of an invocation, so that no function accounts for them: %s", strings.Join(list, ", "))
	}
	if write {
		raw, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			return fmt.Errorf("writing %s: %w", callsFile, err)
		}
		return os.WriteFile(callsFile, append(raw, '\n'), 0o644) //nolint:gosec // part of the source
	}
	want, err := readCalls()
	if err != nil {
		return err
	}
	if problems := differences(want, got); len(problems) > 0 {
		return fmt.Errorf("%s is not what the tests recorded; if that is meant, make record-calls:\n  %s", callsFile, strings.Join(problems, "\n  "))
	}
	fmt.Printf("calls: %d kinds, as %s lists them\n", len(seen), callsFile)
	return nil
}

func readCalls() (map[string][]string, error) {
	raw, err := os.ReadFile(callsFile)
	if err != nil {
		return nil, err
	}
	var list map[string][]string
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("reading %s: %w", callsFile, err)
	}
	return list, nil
}

// differences says in words what was made and not listed, and the other way round.
func differences(want, got map[string][]string) []string {
	var out []string
	for function, list := range got {
		for _, call := range list {
			if !slices.Contains(want[function], call) {
				out = append(out, function+" made a call that is not listed: "+call)
			}
		}
	}
	for function, list := range want {
		for _, call := range list {
			if !slices.Contains(got[function], call) {
				out = append(out, function+" never made a call that is listed: "+call)
			}
		}
	}
	slices.Sort(out)
	return out
}
