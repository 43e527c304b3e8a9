// Package release holds what a release's CLI carries inside itself: the functions' zips for AWS, and entrypoints for
// the apps it runs. A build with the tag `dist` embeds them (`make dist` makes them first); any other build has none,
// and says so by ok=false, so that the CLI falls back to the files beside it.
//
// It imports nothing of ours and writes nothing but the one file that ExtractEntrypoint names.
package release

import (
	"bytes"
	"compress/gzip"
	"io"
)

// maxEntrypoint bounds what an embedded entrypoint unpacks to, in bytes.
const maxEntrypoint = 64 << 20

// Function is the functions' zip for a Lambda architecture, "arm64" or "amd64": reproducible, so that its hash can be
// its name. ok is false when this build carries none.
func Function(arch string) (zip []byte, ok bool) {
	zip, ok = functions()[arch]
	return zip, ok
}

// Entrypoint is a waypoint-entrypoint binary. A release carries those of linux on amd64 and arm64, for containers, and
// the one of the system that the CLI itself is built for. ok is false when this build carries none for that system.
func Entrypoint(os, arch string) (binary []byte, ok bool) {
	packed, ok := entrypoints()[os+"/"+arch]
	if !ok {
		return nil, false
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, false
	}
	binary, err = io.ReadAll(io.LimitReader(r, maxEntrypoint))
	return binary, err == nil
}
