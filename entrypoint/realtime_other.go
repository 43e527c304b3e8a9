//go:build linux && !amd64 && !arm64

package entrypoint

import "os"

// notifyFirstRealtime has no handler for this architecture: SIGRTMIN is not passed on.
func notifyFirstRealtime(chan<- os.Signal) {}
