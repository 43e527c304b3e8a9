// Package pack puts the functions' binary into the zip that Lambda takes. Equal binaries make equal zips, so that a
// zip's hash can be its name: CloudFormation notices new code by a new name only. It imports nothing of ours.
package pack

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"
)

// entry is the one file; the runtime provided.al2023 demands its name.
const entry = "bootstrap"

// maxZip is the largest zip that Lambda takes, in bytes.
const maxZip = 50 << 20

// maxBinary is Lambda's limit on unpacked code, in bytes.
const maxBinary = 250 << 20

// oldest is the earliest time that a zip can hold. Time zone and clock of whoever builds leave no trace.
func oldest() time.Time { return time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC) }

// Zip packs the binary. It depends on the binary's bytes alone (and on the Go release that compresses).
func Zip(bootstrap []byte) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	w.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	header := &zip.FileHeader{Name: entry, Method: zip.Deflate, Modified: oldest()}
	header.SetMode(0o755)
	f, err := w.CreateHeader(header)
	if err == nil {
		_, err = f.Write(bootstrap)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("packing the functions: %w", err)
	}
	if out.Len() > maxZip {
		return nil, fmt.Errorf("packing the functions: the zip has %d bytes, Lambda accepts %d", out.Len(), maxZip)
	}
	return out.Bytes(), nil
}

// Key is the name in the bucket of a zip: a hash of it.
func Key(archive []byte) string {
	sum := sha256.Sum256(archive)
	return "functions/" + hex.EncodeToString(sum[:]) + ".zip"
}

// Check refuses a zip that Lambda could not start. It unpacks nothing.
func Check(archive []byte) error {
	_, err := find(archive)
	return err
}

func find(archive []byte) (*zip.File, error) {
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, fmt.Errorf("reading the functions' zip: %w", err)
	}
	for _, f := range r.File {
		switch {
		case f.Name != entry:
		case f.Mode()&0o111 == 0:
			return nil, errors.New("reading the functions' zip: bootstrap is not executable")
		case f.UncompressedSize64 > maxBinary:
			return nil, errors.New("reading the functions' zip: bootstrap is too large for Lambda")
		default:
			return f, nil
		}
	}
	return nil, errors.New("reading the functions' zip: it has no file bootstrap")
}

// Bootstrap unpacks the binary, if Lambda could start it.
func Bootstrap(archive []byte) ([]byte, error) {
	f, err := find(archive)
	if err != nil {
		return nil, err
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("reading the functions' zip: %w", err)
	}
	defer r.Close()
	out, err := io.ReadAll(io.LimitReader(r, maxBinary))
	if err != nil {
		return nil, fmt.Errorf("reading the functions' zip: %w", err)
	}
	return out, nil
}
