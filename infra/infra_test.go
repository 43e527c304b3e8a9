package infra

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestConcurrencyFollowsTheAccountsLimits(t *testing.T) {
	tests := []struct {
		name                    string
		limit, unreserved       int
		ours                    int
		wantHoldMS, wantReserve int
	}{
		{"a new account answers at once", 10, 10, 0, 0, 0},
		{"just below the bound", 199, 199, 0, 0, 0},
		{"the smallest that can reserve", 200, 200, 0, 20_000, 100},
		{"a usual account", 1000, 1000, 0, 20_000, 100},
		{"others reserved too much", 1000, 150, 0, 0, 0},
		{"our own reservation counts as free", 1000, 100, 100, 20_000, 100},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hold, reserved := concurrency(tt.limit, tt.unreserved, tt.ours)
			if hold != tt.wantHoldMS || reserved != tt.wantReserve {
				t.Errorf("got %d ms and %d reserved", hold, reserved)
			}
		})
	}
}

func TestOnlyQueuesOfThisInstallationMatch(t *testing.T) {
	n := namesOf("waypoint", Identity{Account: "1", Region: "r"})
	for queue, want := range map[string]bool{
		"waypoint-0123456789abcdef":              true,
		"waypoint-2-0123456789abcdef":            false, // of the installation waypoint-2
		"waypoint-UndeliveredQueue-ABCDEFGHIJKL": false, // of the stack
		"waypoint-0123456789abcdeX":              false,
		"waypoint-0123456789abcdef0":             false,
		"my-waypoint-0123456789abcdef":           false,
	} {
		if got := n.queue.MatchString(queue); got != want {
			t.Errorf("%s: %v", queue, got)
		}
	}
}

func TestNamesFitIntoTheLimitsOfAWS(t *testing.T) {
	long := namesOf(strings.Repeat("n", 20), Identity{Account: "123456789012", Region: "ap-southeast-2"})
	if len(long.bucket) > 63 {
		t.Errorf("the bucket's name has %d characters", len(long.bucket))
	}
	if role := strings.Repeat("n", 20) + "-ap-southeast-2-runner"; len(role) > 64 {
		t.Errorf("the role's name has %d characters", len(role))
	}
}

func TestTheActionIsFoundInARefusal(t *testing.T) {
	for message, want := range map[string]string{
		"User: arn:aws:iam::1:user/x is not authorized to perform: s3:CreateBucket on resource: y":      "s3:CreateBucket",
		"User: x is not authorized to perform: cloudformation:CreateChangeSet on resource: y because z": "cloudformation:CreateChangeSet",
		"Access Denied": "",
	} {
		if got := action(message); got != want {
			t.Errorf("%q: %q", message, got)
		}
	}
}

func TestThePrintedPolicyIsBoundToTheInstallation(t *testing.T) {
	text, err := PrintPolicy("shop", "123456789012", "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Version   string
		Statement []struct {
			Sid      string
			Action   []string
			Resource []string
		}
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Version != "2012-10-17" {
		t.Errorf("version %s", doc.Version)
	}
	if n := len(strings.Join(strings.Fields(text), "")); n > 6144 { // of a managed policy, which counts no white space
		t.Errorf("the policy has %d characters", n)
	}
	for _, s := range doc.Statement {
		if slices.Contains(s.Resource, "*") && s.Sid != "Limits" && s.Sid != "FindQueues" {
			t.Errorf("%s is allowed on everything", s.Sid)
		}
		for _, a := range s.Action {
			if strings.ContainsAny(a, "*?") {
				t.Errorf("%s: %s is a pattern", s.Sid, a)
			}
		}
	}
}
