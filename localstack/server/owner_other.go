//go:build !linux

package server

// lockHolder cannot be asked here.
func lockHolder(string) int { return 0 }

// isStopped cannot be asked here.
func isStopped(int) bool { return false }
