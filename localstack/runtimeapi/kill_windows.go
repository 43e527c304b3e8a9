package runtimeapi

import "os/exec"

// ownGroup does nothing: Windows has no process groups to kill.
func ownGroup(*exec.Cmd) {}

// killGroup kills the process alone. An error says that it is gone already.
func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
