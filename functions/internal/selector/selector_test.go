package selector

import (
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

func TestMatches(t *testing.T) {
	labels := map[string]string{"env": "prod", "region": "us", "waypoint/workspace": "default"}
	for expression, want := range map[string]bool{
		"":                                  true,
		`env == "prod"`:                     true,
		`env == prod and region != "eu"`:    true,
		`env == "dev" or region == "us"`:    true,
		`not (env == "prod")`:               false,
		`env matches "^pr"`:                 true,
		`env contains "ro"`:                 true,
		`env is not empty`:                  true,
		`"/waypoint~1workspace" == default`: true,
		`tier == "web"`:                     false,
		`tier != "web"`:                     false,
		`env ==`:                            false,
	} {
		if got := Matches(expression, labels); got != want {
			t.Errorf("%s: %v", expression, got)
		}
	}
	if Matches(`env == "prod"`, nil) {
		t.Error("no labels match a selector")
	}
}

func TestCheckRefusesWhatMatchesCannotRead(t *testing.T) {
	for _, bad := range []string{"env ==", "((env == a)", "env", strings.Repeat("(", 2000)} {
		if err := Check(bad); !fault.Is(err, fault.InvalidArgument) {
			t.Errorf("%.20s: %v", bad, err)
		}
	}
	if err := Check(""); err != nil {
		t.Error(err)
	}
}
