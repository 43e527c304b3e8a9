package template

import (
	"regexp"
	"testing"
)

// The stack refuses a list of roles that the server could not read: it would let no runner in, and say so to runners alone.
func TestTheListOfRunnerRolesIsWhatTheServerReads(t *testing.T) {
	const arn = "arn:aws:iam::123456789012:role/"
	pattern := regexp.MustCompile(runnerRolesPattern)
	for list, ok := range map[string]bool{
		"": true, arn + "runner": true, arn + "team/runner": true, "arn:aws-us-gov:iam::123456789012:user/ci": true,
		arn + "a," + arn + "b": true, arn + "a, " + arn + "b=team=web": true, arn + "a=team=web;tier=": true, arn + "a=k=v;x=y," + arn + "b": true,
		arn + "a=pool": false, arn + "a=": false, arn + "a=k=v;x": false, arn: false, "runner": false, arn + "a,": false, arn + "a;" + arn + "b": false,
		"arn:aws:sts::123456789012:assumed-role/a/b": false, "arn:aws:iam::12:role/a": false,
	} {
		if pattern.MatchString(list) != ok {
			t.Errorf("%q: accepted %t", list, !ok)
		}
	}
}
