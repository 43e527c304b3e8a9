// Package image makes the container image of the command line and runner: nothing but our programs, certificates, and
// Debian's git and ssh with what they need, so that a runner fetches sources in it.
//
// It reads a tar of unpacked Debian packages and writes an archive for `docker load`, podman and skopeo. Equal input
// makes equal bytes. It imports nothing of ours, runs nothing and needs no container engine and no network.
package image

import (
	"archive/tar"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Packages are Debian's packages that the tar is made of; what they depend on comes with them. git's own scripts, for
// submodules, and hooks need the shell and the tools that follow it.
func Packages() []string {
	return []string{
		"git", "git-lfs", "openssh-client", "ca-certificates",
		"dash", "coreutils", "sed", "grep",
	}
}

// Suite is the Debian release that the packages are of.
const Suite = "bookworm"

// The image's user, who owns its home, where runners keep their state, and the directory in which it starts.
const (
	userID    = 1000
	userName  = "waypoint"
	home      = "/home/waypoint"
	workspace = "/workspace"
)

// File is a file of ours in the image.
type File struct {
	// Name is its path there, without a leading slash.
	Name    string
	Mode    int64
	Content []byte
}

// Options say what an image is made of.
type Options struct {
	// Debian is the tar of the unpacked packages.
	Debian io.Reader
	Files  []File
	// Arch is Go's name of the processor: amd64 or arm64.
	Arch, Version string
	// Tag is what the image is called once it is loaded.
	Tag string
}

// Write writes the image as an archive.
func Write(to io.Writer, o Options) error {
	ref, err := name.NewTag(o.Tag)
	if err != nil {
		return fmt.Errorf("the image's name: %w", err)
	}
	system, err := systemLayer(o.Debian)
	if err != nil {
		return fmt.Errorf("reading Debian's packages: %w", err)
	}
	ours, err := programLayer(o.Files)
	if err != nil {
		return err
	}
	made, err := mutate.AppendLayers(empty.Image, system, ours)
	if err != nil {
		return err
	}
	config, err := made.ConfigFile()
	if err != nil {
		return err
	}
	if made, err = mutate.ConfigFile(made, configured(config, o)); err != nil {
		return err
	}
	return tarball.Write(ref, made, to)
}

// configured adds to an image's configuration, which has its layers' digests, what is run.
func configured(file *v1.ConfigFile, o Options) *v1.ConfigFile {
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = "linux", o.Arch, v1.Time{Time: oldest()}
	file.Config = v1.Config{
		Entrypoint: []string{"/usr/bin/waypoint"},
		Env:        []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + home, "LANG=C.UTF-8"},
		User:       fmt.Sprintf("%d:%d", userID, userID),
		WorkingDir: workspace,
		Labels: map[string]string{
			"org.opencontainers.image.title":       "waypoint",
			"org.opencontainers.image.version":     o.Version,
			"org.opencontainers.image.description": "The command line and runner of Waypoint",
		},
	}
	return file
}

// oldest is the time of every file: equal input makes equal bytes.
func oldest() time.Time { return time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC) }

// entry is one file, directory or link of a layer.
type entry struct {
	header  tar.Header
	content []byte
}

// certificates is where Debian's script would put the bundle, and where git and Go look for it.
const certificates = "etc/ssl/certs/ca-certificates.crt"

// systemLayer is Debian's part, and the files that a system has.
func systemLayer(debian io.Reader) (v1.Layer, error) {
	entries, bundle, err := readDebian(debian)
	if err != nil {
		return nil, err
	}
	if len(bundle) == 0 {
		return nil, errors.New("there are no certificates in it")
	}
	for _, dir := range []string{"etc/", "etc/ssl/", "etc/ssl/certs/"} {
		entries = append(entries, directory(dir, 0o755, 0))
	}
	entries = append(
		entries,
		directory("tmp/", 0o1777, 0),
		directory(strings.TrimPrefix(workspace, "/")+"/", 0o755, userID),
		directory("home/", 0o755, 0),
		directory(strings.TrimPrefix(home, "/")+"/", 0o700, userID),
		file(certificates, 0o644, bundle),
		file("etc/passwd", 0o644, fmt.Appendf(nil,
			"root:x:0:0:root:/root:/bin/sh\n%s:x:%d:%[2]d::%s:/bin/sh\n", userName, userID, home)),
		file("etc/group", 0o644, fmt.Appendf(nil, "root:x:0:\n%s:x:%d:\n", userName, userID)),
	)
	return layer(entries)
}

// programLayer is our part.
func programLayer(files []File) (v1.Layer, error) {
	var entries []entry
	for _, f := range files {
		entries = append(entries, file(f.Name, f.Mode, f.Content))
	}
	return layer(entries)
}

// readDebian reads what the image keeps of the packages, and the certificates as one bundle.
func readDebian(debian io.Reader) (entries []entry, bundle []byte, err error) {
	certs := map[string][]byte{}
	for r := tar.NewReader(debian); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		at := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		if !kept(at) {
			continue
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", at, err)
		}
		if strings.HasPrefix(at, "usr/share/ca-certificates/") && strings.HasSuffix(at, ".crt") {
			certs[at] = content
			continue
		}
		if isPerl(content) {
			continue
		}
		e := entry{content: content}
		// Without set-user-ID and set-group-ID: nobody in the image has more rights than its user.
		e.header = tar.Header{Typeflag: h.Typeflag, Name: at, Mode: h.Mode & 0o777, Linkname: h.Linkname}
		switch h.Typeflag {
		case tar.TypeReg:
			e.header.Size = int64(len(content))
		case tar.TypeDir:
			e.header.Name += "/"
		case tar.TypeLink:
			e.header.Linkname = strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")
		case tar.TypeSymlink:
		default:
			continue // devices
		}
		entries = append(entries, e)
	}
	for _, at := range slices.Sorted(maps.Keys(certs)) {
		bundle = append(bundle, bytes.TrimRight(certs[at], "\n")...)
		bundle = append(bundle, '\n')
	}
	return entries, bundle, nil
}

// kept reports whether the image keeps a path of the packages: no documentation but the licences, no tools for the
// administration of a system, no Perl, which git needs for nothing that a runner does.
func kept(at string) bool {
	if of, isDoc := strings.CutPrefix(at, "usr/share/doc/"); isDoc {
		_, name, within := strings.Cut(of, "/")
		return !within || name == "copyright"
	}
	top, _, _ := strings.Cut(at, "/")
	switch top {
	case "bin", "lib", "lib64", "usr":
	default:
		return at == "etc" || at == "etc/ssh" || at == "etc/ssh/ssh_config" || strings.HasPrefix(at, "etc/ssl")
	}
	for part := at; part != "."; part = path.Dir(part) {
		for _, pattern := range dropped() {
			if ok, _ := path.Match(pattern, part); ok {
				return false
			}
		}
	}
	return true
}

// dropped are patterns of paths that the image does not keep, with what is below them.
func dropped() []string {
	return []string{
		// Services, documentation and the like.
		"lib/systemd", "lib/udev", "usr/games", "usr/include", "usr/lib/systemd", "usr/lib/mime", "usr/lib/tmpfiles.d",
		"usr/libexec/dpkg", "usr/share/apport", "usr/share/bash-completion", "usr/share/bug", "usr/share/debconf",
		"usr/share/gitweb", "usr/share/info", "usr/share/lintian", "usr/share/locale", "usr/share/man", "usr/share/menu",
		"usr/share/pixmaps", "usr/share/polkit-1", "usr/bin/git-shell", "usr/bin/scalar",
		// Perl.
		"usr/bin/perl*", "usr/lib/*/perl*", "usr/lib/*/libperl.so*", "usr/share/perl*",
		// Accounts and logins: their packages come along with ssh's.
		"usr/sbin", "lib/*/security", "usr/share/pam*", "bin/login", "bin/su", "usr/bin/chage", "usr/bin/chfn",
		"usr/bin/chsh", "usr/bin/expiry", "usr/bin/faillog", "usr/bin/gpasswd", "usr/bin/lastlog", "usr/bin/newgrp", "usr/bin/newgidmap",
		"usr/bin/newuidmap", "usr/bin/passwd", "usr/bin/sg",
	}
}

// isPerl reports whether a file is a script that could not run without Perl.
func isPerl(content []byte) bool {
	first, _, _ := bytes.Cut(content[:min(len(content), 64)], []byte("\n"))
	return bytes.HasPrefix(first, []byte("#!")) && bytes.Contains(first, []byte("perl"))
}

func directory(name string, mode int64, owner int) entry {
	return entry{header: tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode, Uid: owner, Gid: owner}}
}

func file(name string, mode int64, content []byte) entry {
	header := tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content))}
	return entry{header: header, content: content}
}

// layer packs entries in the order of their names; of two of one name the last counts. A hard link's target has to come
// before it, so links come last.
func layer(entries []entry) (v1.Layer, error) {
	last := map[string]entry{}
	for _, e := range entries {
		last[e.header.Name] = e
	}
	sorted := slices.SortedFunc(maps.Values(last), func(a, b entry) int {
		isLink := func(e entry) int {
			if e.header.Typeflag == tar.TypeLink {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(isLink(a), isLink(b)), strings.Compare(a.header.Name, b.header.Name))
	})
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for _, e := range sorted {
		e.header.ModTime = oldest()
		if err := w.WriteHeader(&e.header); err != nil {
			return nil, fmt.Errorf("packing %s: %w", e.header.Name, err)
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, fmt.Errorf("packing %s: %w", e.header.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(packed.Bytes())), nil
	})
}

// WriteFile is Write to a file, which is whole or not there.
func WriteFile(to string, o Options) (err error) {
	part := to + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part)
		}
	}()
	if err := errors.Join(Write(f, o), f.Close()); err != nil {
		return err
	}
	return os.Rename(part, to)
}
