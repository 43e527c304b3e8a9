package inject

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/waypoint-serverless/waypoint/internal/release"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// machines names architectures as ELF does.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// Find gives the way to the entrypoints of this build: those that a release carries, else the files that `make build`
// puts beside the one that the runner has (plugin.Env.Entrypoint).
func Find(env *plugin.Call) Binaries {
	return func(architecture string) (*Binary, error) {
		if content, ok := release.Entrypoint("linux", architecture); ok {
			return NewBinary(content), nil
		}
		names := []string{}
		if env.Entrypoint != "" {
			names = append(names, filepath.Join(filepath.Dir(env.Entrypoint), "waypoint-entrypoint-linux-"+architecture))
			if runtime.GOOS == "linux" && runtime.GOARCH == architecture {
				names = append(names, env.Entrypoint)
			}
		}
		for _, name := range names {
			content, err := os.ReadFile(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, &plugin.Error{Message: "the Waypoint entrypoint cannot be read", Cause: err}
			}
			if err := suits(name, architecture); err != nil {
				return nil, err
			}
			return NewBinary(content), nil
		}
		return nil, &plugin.Error{
			Message: fmt.Sprintf("this build of waypoint carries no waypoint-entrypoint for linux/%s", architecture),
			Hint: fmt.Sprintf("Use a release, or put waypoint-entrypoint-linux-%s (`make build` makes it) beside waypoint; or set disable_entrypoint = true.",
				architecture),
		}
	}
}

// suits refuses a binary that would not start in a container: of another machine, or one that needs a libc.
func suits(name, architecture string) error {
	f, err := elf.Open(name)
	if err != nil {
		return &plugin.Error{Message: name + " is not a program of linux", Hint: "Build it with `make build`.", Cause: err}
	}
	defer f.Close()
	if f.Machine != machines[architecture] {
		return &plugin.Error{Message: fmt.Sprintf("%s is for %s, not for %s", name, f.Machine, architecture), Hint: "Build it with `make build`."}
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return &plugin.Error{Message: name + " is not static: images without a libc could not start it", Hint: "Build it with `make build`."}
		}
	}
	return nil
}
