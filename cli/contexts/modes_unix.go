//go:build !windows

package contexts

const modesCount = true
