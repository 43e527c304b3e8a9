package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// sumsFile lists the checksums of all other files, as sha256sum writes and checks them.
const sumsFile = "SHA256SUMS"

// oldest is the earliest time that a zip can hold.
func oldest() time.Time { return time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC) }

// archive packs a target's command and waypoint-plugins with the licences and their SBOMs: .tar.gz, for windows .zip.
func (b *builder) archive(t target) error {
	command, err := os.ReadFile(b.cli(t))
	if err != nil {
		return err
	}
	plugins, err := os.ReadFile(b.plugins(t))
	if err != nil {
		return err
	}
	files := []member{{t.exe("waypoint"), 0o755, command}, {t.exe("waypoint-plugins"), 0o755, plugins}}
	for name, path := range map[string]string{
		"LICENSE": filepath.Join(b.root, "LICENSE"), "NOTICE": filepath.Join(b.root, "NOTICE"),
		"waypoint.cdx.json":         filepath.Join(b.out, "waypoint-"+t.String()+".cdx.json"),
		"waypoint-plugins.cdx.json": filepath.Join(b.out, "waypoint-plugins-"+t.String()+".cdx.json"),
	} {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files = append(files, member{name, 0o644, content})
	}
	shared, err := b.shared()
	if err != nil {
		return err
	}
	files = append(files, shared...)
	slices.SortFunc(files[2:], func(a, b member) int { return strings.Compare(a.name, b.name) })
	var out bytes.Buffer
	name := "waypoint-" + t.String() + ".tar.gz"
	if t.os == "windows" {
		name = "waypoint-" + t.String() + ".zip"
		err = writeZip(&out, files)
	} else {
		err = writeTar(&out, files)
	}
	if err != nil {
		return fmt.Errorf("packing %s: %w", name, err)
	}
	return os.WriteFile(filepath.Join(b.out, name), out.Bytes(), 0o644)
}

// shared are the man pages and completion scripts.
func (b *builder) shared() (files []member, err error) {
	for _, pattern := range []string{"man1/*.1", "completions/*"} {
		paths, err := filepath.Glob(filepath.Join(b.share, pattern))
		if err != nil || len(paths) == 0 {
			return nil, errors.Join(fmt.Errorf("there is no %s in %s", pattern, b.share), err)
		}
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			files = append(files, member{"share/" + filepath.ToSlash(filepath.Join(filepath.Base(filepath.Dir(path)), filepath.Base(path))), 0o644, content})
		}
	}
	return files, nil
}

type member struct {
	name    string
	mode    os.FileMode
	content []byte
}

func writeTar(to io.Writer, files []member) error {
	packed := gzip.NewWriter(to)
	w := tar.NewWriter(packed)
	for _, f := range files {
		header := &tar.Header{Name: f.name, Mode: int64(f.mode), Size: int64(len(f.content)), ModTime: oldest(), Format: tar.FormatUSTAR}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if _, err := w.Write(f.content); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), packed.Close())
}

func writeZip(to io.Writer, files []member) error {
	w := zip.NewWriter(to)
	for _, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: oldest()}
		header.SetMode(f.mode)
		part, err := w.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := part.Write(f.content); err != nil {
			return err
		}
	}
	return w.Close()
}

// sums are the checksums of a folder's files, by name, as the lines of SHA256SUMS.
func sums(dir string) (string, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return "", err
	}
	var lines strings.Builder
	for _, e := range entries {
		if e.Name() == sumsFile {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&lines, "%x  %s\n", sha256.Sum256(content), e.Name())
	}
	return lines.String(), nil
}

func writeSums(dir string) error {
	lines, err := sums(dir)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, sumsFile), []byte(lines), 0o644)
}

// report prints each file's size and holds the programs to their limits.
func report(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var large []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		fmt.Printf("%-32s %6.1f MB\n", e.Name(), float64(info.Size())/(1<<20))
		most := int64(maxCLI)
		if strings.HasPrefix(e.Name(), "waypoint-plugins-") {
			most = maxPlugins
		} else if isArchive(e.Name()) {
			most += maxPlugins
		} else if strings.HasPrefix(e.Name(), imagePrefix) {
			most += maxPlugins + maxDebian
		}
		if info.Size() > most {
			large = append(large, e.Name())
		}
	}
	if len(large) > 0 {
		return fmt.Errorf("over the limit (%d MB, waypoint-plugins %d MB): %s", maxCLI>>20, maxPlugins>>20, strings.Join(large, ", "))
	}
	return nil
}

func isArchive(name string) bool {
	return strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".zip")
}
