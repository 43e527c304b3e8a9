package entrypoint

import (
	"path/filepath"
	"runtime"
	"strings"
)

func hasSeparator(program string) bool {
	return strings.ContainsRune(program, '/') || strings.ContainsRune(program, filepath.Separator)
}

// pathList is the PATH of an environment. Relative entries are left out, as os/exec does.
func pathList(env []string) []string {
	var list string
	for name, value := range parseEnv(env) {
		if name == "PATH" || runtime.GOOS == "windows" && strings.EqualFold(name, "PATH") {
			list = value
		}
	}
	var dirs []string
	for _, dir := range filepath.SplitList(list) {
		if filepath.IsAbs(dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}
