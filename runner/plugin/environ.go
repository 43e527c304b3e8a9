package plugin

import (
	"os"
	"runtime"
	"slices"
	"strings"
)

// AppEnviron picks from the runner's environment what every program needs to find its way about the machine: PATH, HOME,
// LANG and LC_*, TZ and TMPDIR; on Windows the names that the system itself sets. Everything else is the runner's own (its
// credentials among it), or the user's, and does not reach apps. nil: of this process's environment.
func AppEnviron(environ []string) []string {
	if environ == nil {
		environ = os.Environ()
	}
	return appEnviron(environ, runtime.GOOS == "windows")
}

func appEnviron(environ []string, windows bool) []string {
	out := []string{}
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case windows && slices.Contains(windowsNames(), strings.ToUpper(name)), slices.Contains(baseNames(), name), strings.HasPrefix(name, "LC_"):
			out = append(out, kv)
		}
	}
	return out
}

func baseNames() []string { return []string{"PATH", "HOME", "LANG", "TZ", "TMPDIR"} }

// windowsNames are in upper case: Windows does not tell cases apart, and writes Path and SystemRoot. Without SystemRoot no
// program can open a socket; without TEMP and the profile's directories many cannot start.
func windowsNames() []string {
	return []string{
		"PATH", "PATHEXT", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "TEMP", "TMP", "OS", "NUMBER_OF_PROCESSORS",
		"PROCESSOR_ARCHITECTURE", "COMPUTERNAME", "USERNAME", "USERPROFILE", "HOMEDRIVE", "HOMEPATH", "APPDATA", "LOCALAPPDATA",
		"PROGRAMDATA", "ALLUSERSPROFILE", "PUBLIC", "PROGRAMFILES", "PROGRAMFILES(X86)", "PROGRAMW6432", "COMMONPROGRAMFILES",
		"COMMONPROGRAMFILES(X86)", "COMMONPROGRAMW6432",
	}
}

// AppBase is AppEnviron, or what stands for it when it is nil.
func (e *Env) AppBase() []string {
	if e.AppEnviron == nil {
		return AppEnviron(nil)
	}
	return e.AppEnviron
}
