package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/waypoint-serverless/waypoint/internal/release/image"
)

// debianTool unpacks Debian's packages, those of other processors too, without running anything of theirs.
const debianTool = "mmdebstrap"

// imagePrefix begins the names of the archives of images.
const imagePrefix = "waypoint-image-"

// checkImage says before all the work that the images cannot be made here.
func checkImage() error {
	if _, err := exec.LookPath(debianTool); err != nil {
		return fmt.Errorf("the container image is made of Debian's git and ssh, and %s is missing: "+
			"apt-get install %s on a Debian machine, or make the release without the image (IMAGE=no)", debianTool, debianTool)
	}
	return nil
}

// images makes the container image of each linux target.
func (b *builder) images(ctx context.Context, work string) error {
	for _, t := range b.targets() {
		if t.os != "linux" {
			continue
		}
		if err := b.image(ctx, work, t); err != nil {
			return fmt.Errorf("making the image for %s: %w", t, err)
		}
	}
	return nil
}

func (b *builder) image(ctx context.Context, work string, t target) error {
	base := filepath.Join(work, "debian-"+t.arch+".tar")
	cmd := exec.CommandContext(ctx, debianTool, "--quiet", "--variant=extract", "--architectures="+t.arch,
		"--include="+strings.Join(image.Packages(), ","), image.Suite, base)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("unpacking Debian's packages: %w\n%s", err, out)
	}
	debian, err := os.Open(base)
	if err != nil {
		return err
	}
	defer func() { _ = debian.Close() }()
	o := image.Options{Debian: debian, Arch: t.arch, Version: b.version, Tag: "waypoint:" + imageTag(b.version)}
	for name, from := range map[string]string{
		"usr/bin/waypoint": b.cli(t), "usr/bin/waypoint-plugins": b.plugins(t),
		"usr/share/doc/waypoint/LICENSE": filepath.Join(b.root, "LICENSE"), "usr/share/doc/waypoint/NOTICE": filepath.Join(b.root, "NOTICE"),
	} {
		content, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		mode := int64(0o644)
		if strings.HasPrefix(name, "usr/bin/") {
			mode = 0o755
		}
		o.Files = append(o.Files, image.File{Name: name, Mode: mode, Content: content})
	}
	return image.WriteFile(filepath.Join(b.out, imagePrefix+t.String()+".tar"), o)
}

// imageTag is a version as a tag, which has no "+".
func imageTag(version string) string { return strings.ReplaceAll(version, "+", "-") }
