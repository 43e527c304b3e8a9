//go:build !linux

package startfail

func mountedNoexec(string) bool { return false }
