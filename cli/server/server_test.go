package server

import (
	"testing"
)

func TestThrottlesOfTheTemplateAreRead(t *testing.T) {
	got := templateThrottles()
	if got.Runners.Rate != 1000 || got.Runners.Burst != 2000 || got.Apps.Rate != 500 || got.Open.Rate != 20 || got.Others.Rate != 100 || got.Others.Burst != 200 {
		t.Errorf("runners %+v, apps %+v, open %+v, others %+v", *got.Runners, *got.Apps, *got.Open, *got.Others)
	}
}
