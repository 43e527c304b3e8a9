package git

import (
	"os"
	"slices"
	"strings"
)

// nowhere is a home directory that does not exist, for git that needs none.
const nowhere = "/nonexistent"

// located are variables that move git to another repository than the one around its directory. A hook's environment has
// them.
var located = []string{
	"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR",
	"GIT_PREFIX", "GIT_NAMESPACE", "GIT_CONFIG", "GIT_INTERNAL_SUPER_PREFIX", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE",
}

// english makes git speak the language that its messages are recognized in.
var english = []string{"LC_ALL=C.UTF-8", "LANGUAGE="}

// ownEnvironment is the user's, without what would lead git elsewhere.
func ownEnvironment(environ []string) []string {
	out := make([]string, 0, len(environ)+3)
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if !slices.Contains(located, name) && name != "LC_ALL" && name != "LANGUAGE" {
			out = append(out, kv)
		}
	}
	return append(append(out, english...), "GIT_TERMINAL_PROMPT=0")
}

// passed are the variables that git on fetched content is given: how to find programs, places for temporary files, and
// ways through proxies. Nothing that configures git, traces it, or names helpers of the user is among them.
var passed = []string{
	"PATH", "TMPDIR", "TMP", "TEMP", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_EXEC_PATH",
	"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
	"SYSTEMROOT", "SystemRoot", "COMSPEC", "ComSpec", "PATHEXT", "WINDIR", "windir",
}

// FetchedEnvironment is the environment for git on fetched content. home is the home directory it sees; a .gitconfig there
// is the only configuration that applies beside the repository's own.
func FetchedEnvironment(environ []string, home string) []string {
	var out []string
	certs, ours := "", false
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if !slices.Contains(passed, name) {
			continue
		}
		out = append(out, kv)
		switch name {
		case "SSL_CERT_FILE":
			certs = value
		case "GIT_SSL_CAINFO":
			ours = true
		}
	}
	if certs != "" && !ours {
		out = append(out, "GIT_SSL_CAINFO="+certs) // git's own name for what Go programs call SSL_CERT_FILE
	}
	global := os.DevNull
	if home != nowhere {
		global = home + "/.gitconfig"
	}
	return append(append(out, english...),
		"HOME="+home, "USERPROFILE="+home, "XDG_CONFIG_HOME="+home+"/.config",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+global, "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "GCM_INTERACTIVE=never",
	)
}
