// Command packages makes the deb, rpm and apk packages of a release from its finished programs, with nfpm.
//
//	packages -dist dist -share DIR -version 0.1.0
//
// It makes them for each of amd64 and arm64 whose programs are there. DIR is what `go run ./cli/manual` wrote. It writes waypoint_VERSION_ARCH.{deb,rpm,apk} into the folder -dist. Equal input
// makes equal bytes: all times are one fixed day.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/apk"
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

func main() {
	dist := flag.String("dist", "dist", "folder of the release")
	share := flag.String("share", "", "folder of the man pages and completion scripts")
	version := flag.String("version", "", "version of the release")
	flag.Parse()
	if err := run(*dist, *share, *version); err != nil {
		fmt.Fprintln(os.Stderr, "packages:", err)
		os.Exit(1)
	}
}

// day is the time of every file: packages of equal sources are equal.
func day() time.Time { return time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC) }

func run(dist, share, version string) error {
	if share == "" || version == "" {
		return errors.New("-share and -version are required")
	}
	made := false
	for _, arch := range []string{"amd64", "arm64"} {
		if _, err := os.Stat(filepath.Join(dist, "waypoint-linux-"+arch)); errors.Is(err, os.ErrNotExist) {
			continue // a release of one system
		}
		made = true
		for _, format := range []string{"deb", "rpm", "apk"} {
			if err := pack(dist, share, packageVersion(version), arch, format); err != nil {
				return fmt.Errorf("making the %s package for %s: %w", format, arch, err)
			}
		}
	}
	if !made {
		return fmt.Errorf("there is no waypoint-linux-amd64 or waypoint-linux-arm64 in %s", dist)
	}
	return nil
}

// packageVersion is a version that all formats accept: a commit's build sorts before any release.
func packageVersion(version string) string {
	if regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?$`).MatchString(version) {
		return version
	}
	return "0.0.0"
}

func pack(dist, share, version, arch, format string) error {
	contents, err := contents(dist, share, arch, format)
	if err != nil {
		return err
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "waypoint", Arch: arch, Platform: "linux", Version: version, Section: "devel", Priority: "optional",
		Maintainer:  "The Waypoint, serverless project",
		Description: "Build, deploy and release applications with one command\nThe command, the local server, the runner and its plugins.",
		License:     "MPL-2.0",
		MTime:       day(),
		Overridables: nfpm.Overridables{
			Contents: contents,
			// Docker and AWS are reached over their APIs; git and ssh fetch sources.
			Recommends: []string{"git"},
		},
	})
	info.RPM.BuildHost = "waypoint"
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	to := filepath.Join(dist, fmt.Sprintf("waypoint_%s_%s.%s", version, arch, format))
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if err := packager.Package(info, out); err != nil {
		return errors.Join(err, out.Close())
	}
	return out.Close()
}

// contents are the files of a package: the folders of man pages and completions are the same in the three families but zsh's.
func contents(dist, share, arch, format string) (files.Contents, error) {
	zsh := "/usr/share/zsh/site-functions/_waypoint"
	if format == "deb" {
		zsh = "/usr/share/zsh/vendor-completions/_waypoint"
	}
	from := map[string]string{
		"/usr/bin/waypoint":                                  filepath.Join(dist, "waypoint-linux-"+arch),
		"/usr/bin/waypoint-plugins":                          filepath.Join(dist, "waypoint-plugins-linux-"+arch),
		"/usr/share/doc/waypoint/LICENSE":                    "LICENSE",
		"/usr/share/doc/waypoint/NOTICE":                     "NOTICE",
		"/usr/share/bash-completion/completions/waypoint":    filepath.Join(share, "completions", "waypoint.bash"),
		"/usr/share/fish/vendor_completions.d/waypoint.fish": filepath.Join(share, "completions", "waypoint.fish"),
		zsh: filepath.Join(share, "completions", "_waypoint"),
	}
	pages, err := filepath.Glob(filepath.Join(share, "man1", "*.1"))
	if err != nil || len(pages) == 0 {
		return nil, errors.Join(fmt.Errorf("there are no man pages in %s", share), err)
	}
	for _, p := range pages {
		from["/usr/share/man/man1/"+filepath.Base(p)] = p
	}
	var names []string
	for to := range from {
		names = append(names, to)
	}
	slices.Sort(names)
	var out files.Contents
	for _, to := range names {
		mode := os.FileMode(0o644)
		if filepath.Dir(to) == "/usr/bin" {
			mode = 0o755
		}
		out = append(out, &files.Content{Source: from[to], Destination: to, FileInfo: &files.ContentFileInfo{Mode: mode, MTime: day()}})
	}
	if format == "rpm" { // rpm removes no folder that a package does not name, and several packages may name one
		for _, dir := range []string{
			"/usr/share/doc/waypoint", "/usr/share/fish", "/usr/share/fish/vendor_completions.d", "/usr/share/zsh", "/usr/share/zsh/site-functions",
		} {
			out = append(out, &files.Content{Destination: dir, Type: files.TypeDir, FileInfo: &files.ContentFileInfo{Mode: 0o755, MTime: day()}})
		}
	}
	return out, nil
}
