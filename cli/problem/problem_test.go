package problem

import (
	"testing"
)

func TestSentences(t *testing.T) {
	for in, want := range map[string]string{
		"the job failed": "The job failed", "unknown flag: --x": "Unknown flag: --x", `"x" is wrong`: `"x" is wrong`,
		"waypoint.hcl has errors": "waypoint.hcl has errors", "-limit 0: no": "-limit 0: no", "": "", "über alles": "Über alles",
	} {
		if got := Sentence(in); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
