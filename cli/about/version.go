// Package about has the command version, which also tells of newer releases where the user has said where to look. It asks
// nobody otherwise.
package about

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/semver"

	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/version"
)

// Host is the part of the shell that this package uses.
type Host interface {
	Env() *shell.Env
	PrintJSON(v any) error
	Printf(format string, args ...any)
	Progressf(format string, args ...any)
}

const (
	// envReleases is the folder or URL of releases that is asked for a newer one; unset: nobody is asked.
	envReleases = "WAYPOINT_RELEASES"
	// latestFile, beside the archives of a release, has its version.
	latestFile = "VERSION"
	// askFor bounds the asking, and latestMost the answer.
	askFor     = 3 * time.Second
	latestMost = 64
)

// NewVersion makes the command version.
func NewVersion(sh Host) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "Show the version", Args: shell.ArgCount(0, 0),
		Long: `Shows the version of this program. If ` + envReleases + ` names a folder or URL of releases, it also tells of a newer
one. Otherwise nobody is asked: Waypoint sends no usage data anywhere.`,
		Example: "  waypoint version\n  waypoint version -json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return runVersion(cmd.Context(), sh, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func runVersion(ctx context.Context, sh Host, asJSON bool) error {
	from, asked := sh.Env().Lookup(envReleases)
	asked = asked && from != ""
	if !asJSON {
		sh.Printf("%s\n", version.String())
	}
	var newer string
	var err error
	if asked {
		newer, err = newerRelease(ctx, sh.Env().Dir, from)
	}
	if asJSON {
		out := map[string]any{"version": version.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "go": runtime.Version()}
		if newer != "" {
			out["newer"] = newer
		}
		if err != nil {
			out["releases_error"] = err.Error()
		}
		return sh.PrintJSON(out)
	}
	switch {
	case err != nil:
		sh.Progressf("Whether there is a newer release is not known: %v.\n", err)
	case newer != "":
		sh.Progressf("Version %s is available in %s. Its install.sh installs it, and `waypoint server upgrade -platform=local` then upgrades this machine's server.\n", newer, from)
	}
	return nil
}

// newerRelease reads the version of the release at from; "" if it is not newer than this one. Any release is newer than a build
// without a version.
func newerRelease(ctx context.Context, dir, from string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	text, err := readLatest(ctx, dir, from)
	if err != nil {
		return "", fmt.Errorf("reading the latest version from %s (%s): %w", from, envReleases, err)
	}
	latest := strings.TrimPrefix(strings.TrimSpace(text), "v")
	if !semver.IsValid("v" + latest) {
		return "", fmt.Errorf("the file %s in %s (%s) has no version such as 1.2.3", latestFile, from, envReleases)
	}
	if semver.Compare("v"+latest, "v"+version.Version()) <= 0 {
		return "", nil
	}
	return latest, nil
}

func readLatest(ctx context.Context, dir, from string) (string, error) {
	if !strings.HasPrefix(from, "http://") && !strings.HasPrefix(from, "https://") {
		if !filepath.IsAbs(from) {
			from = filepath.Join(dir, from)
		}
		b, err := os.ReadFile(filepath.Join(from, latestFile))
		return string(b[:min(len(b), latestMost)]), err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(from, "/")+"/"+latestFile, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", errors.Unwrap(err) // without the URL, which is named already
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the answer is %s", res.Status)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, latestMost))
	return string(b), err
}
