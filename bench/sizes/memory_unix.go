//go:build unix

package main

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
)

// memory is the peak resident size of a command, in bytes.
func memory(ctx context.Context, name string, args ...string) (int64, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%s: %w: %s", name, err, out)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, fmt.Errorf("the system reports no memory use")
	}
	if runtime.GOOS == "darwin" {
		return usage.Maxrss, nil
	}
	return usage.Maxrss << 10, nil
}
