package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// debian is a tar as mmdebstrap writes it, of one file of each kind.
func debian(t *testing.T, order func([]tar.Header)) io.Reader {
	t.Helper()
	headers := []tar.Header{
		{Typeflag: tar.TypeDir, Name: "./usr/", Mode: 0o755},
		{Typeflag: tar.TypeDir, Name: "./usr/bin/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "./usr/bin/git", Mode: 0o4755},
		{Typeflag: tar.TypeLink, Name: "./usr/bin/a-git", Linkname: "./usr/bin/git"},
		{Typeflag: tar.TypeReg, Name: "./usr/bin/passwd", Mode: 0o4755},
		{Typeflag: tar.TypeReg, Name: "./usr/bin/perl", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "./usr/lib/git-core/git-send-email", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "./usr/lib/x86_64-linux-gnu/libperl.so.5.36.0", Mode: 0o644},
		{Typeflag: tar.TypeSymlink, Name: "./lib64/ld-linux-x86-64.so.2", Linkname: "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"},
		{Typeflag: tar.TypeReg, Name: "./usr/share/ca-certificates/mozilla/B.crt", Mode: 0o644},
		{Typeflag: tar.TypeReg, Name: "./usr/share/ca-certificates/mozilla/A.crt", Mode: 0o644},
		{Typeflag: tar.TypeReg, Name: "./usr/share/doc/git/copyright", Mode: 0o644},
		{Typeflag: tar.TypeReg, Name: "./usr/share/doc/git/changelog.gz", Mode: 0o644},
		{Typeflag: tar.TypeReg, Name: "./usr/share/man/man1/git.1.gz", Mode: 0o644},
		{Typeflag: tar.TypeChar, Name: "./dev/null", Mode: 0o666},
		{Typeflag: tar.TypeReg, Name: "./var/lib/dpkg/status", Mode: 0o644},
	}
	order(headers)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		content := "of " + h.Name
		if strings.HasSuffix(h.Name, "send-email") {
			content = "#!/usr/bin/perl\n"
		}
		if h.Typeflag != tar.TypeReg {
			content = ""
		}
		h.Size = int64(len(content))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func sample(t *testing.T, order func([]tar.Header)) Options {
	t.Helper()
	return Options{
		Debian: debian(t, order), Arch: "arm64", Version: "1.2.3", Tag: "waypoint:1.2.3",
		Files: []File{{Name: "usr/bin/waypoint", Mode: 0o755, Content: []byte("the program")}},
	}
}

func asIs([]tar.Header) {}

// content lists what a container of the image would see.
func content(t *testing.T, image v1.Image) map[string]string {
	t.Helper()
	seen := map[string]string{}
	flat := mutate.Extract(image)
	defer func() { _ = flat.Close() }()
	for r := tar.NewReader(flat); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return seen
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		seen[h.Name] = fmt.Sprintf("%o %d %s%s", h.Mode, h.Uid, h.Linkname, text)
	}
}

func TestTheImageHoldsWhatARunnerNeeds(t *testing.T) {
	to := filepath.Join(t.TempDir(), "image.tar")
	if err := WriteFile(to, sample(t, asIs)); err != nil {
		t.Fatal(err)
	}
	image, err := tarball.ImageFromPath(to, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"usr": "755 0 ", "usr/bin": "755 0 ",
		"usr/bin/git":                 "755 0 of ./usr/bin/git", // no longer with the rights of its owner
		"usr/bin/a-git":               "0 0 usr/bin/git",
		"usr/bin/waypoint":            "755 0 the program",
		"lib64/ld-linux-x86-64.so.2":  "0 0 /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
		"usr/share/doc/git/copyright": "644 0 of ./usr/share/doc/git/copyright",
		"etc":                         "755 0 ", "etc/ssl": "755 0 ", "etc/ssl/certs": "755 0 ",
		certificates: "644 0 of ./usr/share/ca-certificates/mozilla/A.crt\nof ./usr/share/ca-certificates/mozilla/B.crt\n",
		"etc/passwd": "644 0 root:x:0:0:root:/root:/bin/sh\nwaypoint:x:1000:1000::/home/waypoint:/bin/sh\n",
		"etc/group":  "644 0 root:x:0:\nwaypoint:x:1000:\n",
		"tmp":        "1777 0 ", "workspace": "755 1000 ", "home": "755 0 ", "home/waypoint": "700 1000 ",
	}
	if got := content(t, image); !maps.Equal(got, want) {
		t.Errorf("the image has %q, not %q", got, want)
	}
	file, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if file.OS != "linux" || file.Architecture != "arm64" || file.Config.User != "1000:1000" ||
		!slices.Equal(file.Config.Entrypoint, []string{"/usr/bin/waypoint"}) || file.Config.Labels["org.opencontainers.image.version"] != "1.2.3" {
		t.Errorf("its configuration is %+v", file)
	}
}

func TestEqualPackagesMakeEqualImages(t *testing.T) {
	var one, two bytes.Buffer
	if err := errors.Join(Write(&one, sample(t, asIs)), Write(&two, sample(t, slices.Reverse))); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("the order of the packages' files makes another image")
	}
}

func TestAnImageWithoutCertificatesIsRefused(t *testing.T) {
	o := sample(t, asIs)
	o.Debian = bytes.NewReader(make([]byte, 1024)) // an empty tar
	if err := WriteFile(filepath.Join(t.TempDir(), "image.tar"), o); err == nil || !strings.Contains(err.Error(), "no certificates") {
		t.Errorf("got %v", err)
	}
}
