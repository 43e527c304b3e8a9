package release

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// ErrNone is returned if this build contains no entrypoint for this machine.
var ErrNone = errors.New("this build of waypoint contains no waypoint-entrypoint: use a release, or put a waypoint-entrypoint beside it")

// ExtractEntrypoint gives the path of a waypoint-entrypoint for this machine, below dir: the one this build carries,
// unpacked on first use. Its folder is named by its digest, so that releases do not disturb each other and an app that
// runs keeps the one it was started with. It is written aside, synced and renamed: whoever finds it finds it whole,
// however many start at once. It returns ErrNone when this build carries none.
func ExtractEntrypoint(dir string) (string, error) {
	packed, ok := entrypoints()[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		return "", ErrNone
	}
	return extract(dir, packed, func() ([]byte, bool) { return Entrypoint(runtime.GOOS, runtime.GOARCH) })
}

func extract(dir string, packed []byte, unpack func() ([]byte, bool)) (string, error) {
	sum := sha256.Sum256(packed)
	name := "waypoint-entrypoint"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	home := filepath.Join(dir, hex.EncodeToString(sum[:])[:16])
	path := filepath.Join(home, name)
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() == unpackedSize(packed) {
		return path, nil
	}
	content, ok := unpack()
	if !ok {
		return "", errors.New("the waypoint-entrypoint in this binary is damaged: reinstall Waypoint")
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return "", fmt.Errorf("unpacking waypoint-entrypoint: %w", err)
	}
	if err := writeExecutable(path, content); err != nil {
		return "", fmt.Errorf("unpacking waypoint-entrypoint: %w", err)
	}
	return path, nil
}

// unpackedSize is what gzip's last four bytes say; everything here is smaller than the 4 GB at which they wrap.
func unpackedSize(packed []byte) int64 {
	if len(packed) < 4 {
		return -1
	}
	return int64(binary.LittleEndian.Uint32(packed[len(packed)-4:]))
}

// writeExecutable writes the file whole or not at all.
func writeExecutable(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when renamed
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(0o755), f.Sync(), f.Close()); err != nil {
		return err
	}
	err = os.Rename(f.Name(), path)
	if err != nil {
		// Windows does not replace a program that runs. Another process that was as early as this one wrote the same.
		if info, statErr := os.Stat(path); statErr == nil && info.Size() == int64(len(content)) {
			return nil
		}
	}
	return err
}
