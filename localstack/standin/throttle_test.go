package standin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/localstack/standin"
)

// A method's throttle is its own, and all others have the stage's, whatever the order in which the template names them.
func TestThrottlesAreThoseOfEachMethod(t *testing.T) {
	scarce := strings.NewReplacer( // nothing is added to a bucket while the test runs
		`{"Ref":"AppsThrottleRate"}`, "0", `{"Ref":"AppsThrottleBurst"}`, "3",
		`{"Ref":"OpenThrottleRate"}`, "0", `{"Ref":"OpenThrottleBurst"}`, "60",
		`{"Ref":"RunnersThrottleRate"}`, "0", `{"Ref":"RunnersThrottleBurst"}`, "5",
	)
	s := start(t, standin.Options{RewriteTemplate: scarce.Replace})
	r, err := infra.Install(t.Context(), options(s))
	if err != nil {
		t.Fatal(err)
	}
	taken := func(path string) (n int) {
		for range 8 {
			res, err := http.Post(strings.TrimSuffix(r.Address, "/")+path, "application/json", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusTooManyRequests {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		path string
		want int
	}{
		{"/waypoint.v1.EntrypointService/None", 3}, {"/waypoint.v1.RunnerAgentService/None", 5}, {"/waypoint.v1.ProjectService/None", 8},
	} {
		if got := taken(c.path); got != c.want {
			t.Errorf("%s: %d of 8 requests were taken, not %d", c.path, got, c.want)
		}
	}
}
