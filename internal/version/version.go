// Package version has the version of this build and of its protocol. It imports nothing of ours.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Protocol versions that go with every request in the header Waypoint-Protocol.
const (
	ProtocolMinimum = 1
	ProtocolCurrent = 1
)

// Set by the linker for releases: -X …/internal/version.release=1.2.3.
var release string

// Version is the release, or "dev" with the commit if the build knows it.
func Version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 8 {
			return "dev-" + s.Value[:8]
		}
	}
	return "dev"
}

// String is the line that `waypoint version` prints.
func String() string {
	return fmt.Sprintf("Waypoint %s (%s/%s, %s)", Version(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}
