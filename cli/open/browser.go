package open

import (
	"os/exec"
	"runtime"

	"github.com/waypoint-serverless/waypoint/cli/shell"
)

// browser returns the command that opens a URL on this system, or nil where there is none: no desktop, or no such
// program.
func browser(env *shell.Env, url string) []string {
	desktop := env.Get("DISPLAY") != "" || env.Get("WAYLAND_DISPLAY") != ""
	command := browserCommand(runtime.GOOS, env.Get("BROWSER"), desktop, url)
	if command == nil {
		return nil
	}
	if _, err := exec.LookPath(command[0]); err != nil {
		return nil
	}
	return command
}

// browserCommand chooses the command. BROWSER is the convention of Unix systems for a program that takes a URL.
func browserCommand(goos, chosen string, desktop bool, url string) []string {
	switch {
	case goos == "darwin":
		return []string{"open", url}
	case goos == "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler", url}
	case chosen != "":
		return []string{chosen, url}
	case desktop:
		return []string{"xdg-open", url}
	}
	return nil
}
