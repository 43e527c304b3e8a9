package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/internal/config"
)

// exitUnformatted is the exit code of `fmt -check` where a file is not canonical, as in Waypoint.
const exitUnformatted = problem.ExitCode(3)

type fmtOptions struct{ write, check bool }

// NewFmt makes the command fmt.
func NewFmt(sh Host) *cobra.Command {
	o := &fmtOptions{}
	cmd := &cobra.Command{
		Use: "fmt [FILE...|-]", Short: "Rewrite waypoint.hcl in canonical layout", Args: cobra.ArbitraryArgs,
		Long: `Rewrites files in canonical layout: without an argument the nearest waypoint.hcl, with "-" standard input to standard
output. Only layout changes, never meaning. A file with a syntax error is left as it is, and the error is shown.`,
		Example: "  waypoint fmt\n  waypoint fmt -check\n  waypoint fmt - < waypoint.hcl",
		RunE:    func(_ *cobra.Command, args []string) error { return runFmt(sh, o, args) },
	}
	cmd.Flags().BoolVar(&o.write, "write", true, "write the file; -write=false prints the result instead")
	cmd.Flags().BoolVar(&o.check, "check", false, "write nothing; exit with 3 and list the files that are not canonical")
	return cmd
}

func runFmt(sh Host, o *fmtOptions, args []string) error {
	if len(args) == 0 {
		path, err := config.Find(sh.Env().Dir)
		if err != nil {
			return notFound(err)
		}
		args = []string{path}
	}
	unformatted := false
	for _, name := range args {
		changed, err := formatOne(sh, o, name)
		if err != nil {
			return err
		}
		unformatted = unformatted || changed
	}
	if o.check && unformatted {
		return exitUnformatted
	}
	return nil
}

// notFound is the error of a command that found no waypoint.hcl.
func notFound(err error) error {
	if errors.Is(err, config.ErrNoFile) {
		return problem.New("NO_FILE", "no waypoint.hcl in this directory or its parents").
			WithHint("Give a file, or create one with `waypoint init`.")
	}
	return err
}

// formatOne formats one file, or standard input, and says whether its layout was another.
func formatOne(sh Host, o *fmtOptions, name string) (changed bool, err error) {
	var src []byte
	shown := name
	path := name
	if name == "-" {
		shown = "standard input"
		src, err = io.ReadAll(sh.Env().In)
	} else {
		if !filepath.IsAbs(path) {
			path = filepath.Join(sh.Env().Dir, path)
		}
		if strings.HasSuffix(path, ".json") {
			return false, problem.New("USAGE", "%s is JSON, which `waypoint fmt` does not format", name).WithHint("It formats .hcl and .wpvars files.")
		}
		src, err = os.ReadFile(path)
	}
	if err != nil {
		return false, problem.New("NO_FILE", "%s cannot be read: %s", shown, err.Error())
	}
	out, diags := config.Format(src, shown)
	if diags.HasErrors() {
		f, _ := config.Parse(src, shown)
		return false, problem.InFile(f, diags)
	}
	if len(diags) > 0 { // a warning: it was not formatted
		config.Render(sh.Env().Err, nil, diags, sh.ErrSetting().Color())
	}
	changed = !bytes.Equal(src, out)
	switch {
	case o.check:
		if changed {
			sh.Printf("%s\n", shown)
		}
	case name == "-" || !o.write:
		sh.Write(string(out))
	case changed:
		if err := replaceFile(path, out); err != nil {
			return changed, fmt.Errorf("writing %s: %w", name, err)
		}
		sh.Printf("%s\n", name)
	}
	return changed, nil
}

// replaceFile replaces a file's content at once, so that an interruption leaves the old or the new one. It keeps the
// mode.
func replaceFile(path string, content []byte) (err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
