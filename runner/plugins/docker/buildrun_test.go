package docker

import (
	"errors"
	"testing"
)

func TestABuildIsRepeatedOnlyWhenTheCacheChangedUnderIt(t *testing.T) {
	for text, want := range map[string]bool{
		`unable to find image "sha256:2f1e"`: true,
		"No such image: sha256:2f1e":         true,
		"failed to get digest sha256:2f1e: open /var/lib/docker/image/overlay2/imagedb/content/sha256/2f1e: no such file or directory": true,
		"layer does not exist": true,
		"COPY failed: file not found in build context or excluded by .dockerignore: stat app: file does not exist": false,
		"The command '/bin/sh -c make' returned a non-zero code: 2":                                                false,
	} {
		if got := cacheGone(errors.New(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if cacheGone(nil) {
		t.Error("no error counts as one")
	}
}
