package doctor

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/infra"
)

// bundled is a file of a report.
type bundled struct {
	name, about string
	content     []byte
}

// runBundle writes the archive and lists what it holds. Nothing is written if anything fails before that.
func runBundle(ctx context.Context, sh Host, o *options, args []string, checks []infra.Check) error {
	path := "waypoint-report-" + sh.Env().Now().UTC().Format("20060102-150405") + ".tar.gz"
	if len(args) > 0 {
		path = args[0]
	}
	full := path
	if !filepath.IsAbs(full) {
		full = filepath.Join(sh.Env().Dir, path)
	}
	files, err := collect(ctx, sh, o, checks)
	if err != nil {
		return err
	}
	if err := writeArchive(full, files, sh.Env().Now()); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return problem.New("FILE_EXISTS", "there is a file %s already", path).WithHint("Name another: `waypoint doctor -bundle %s`.", "report.tar.gz")
		}
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if o.json {
		held := make([]any, len(files))
		for n, f := range files {
			held[n] = map[string]any{"name": f.name, "about": f.about, "bytes": len(f.content)}
		}
		return sh.PrintJSON(map[string]any{"bundle": full, "files": held})
	}
	sh.Printf("%s holds, without tokens, passwords and values of variables:\n", path)
	for _, f := range files {
		sh.Printf("  %-18s %7.1f kB  %s\n", f.name, float64(len(f.content))/1e3, f.about)
	}
	sh.Progressf("Only you can read the file. Look through it before you send it to anybody: tar -xzf %s\n", path)
	return nil
}

// writeArchive writes a new file that only its owner can read; nothing is left of one that could not be written whole.
func writeArchive(path string, files []bundled, now time.Time) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(path)
		}
	}()
	return archive(f, files, now)
}

func archive(w io.Writer, files []bundled, now time.Time) error {
	zipped := gzip.NewWriter(w)
	out := tar.NewWriter(zipped)
	for _, f := range files {
		head := &tar.Header{Name: "waypoint-report/" + f.name, Mode: 0o600, Size: int64(len(f.content)), ModTime: now, Format: tar.FormatPAX}
		if err := out.WriteHeader(head); err != nil {
			return err
		}
		if _, err := out.Write(f.content); err != nil {
			return err
		}
	}
	return errors.Join(out.Close(), zipped.Close())
}

// asJSON encodes a part of the report without secrets.
func (r *redactor) asJSON(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var decoded any
	if err := json.Unmarshal(data, &decoded); err != nil {
		return nil, err
	}
	data, err = json.MarshalIndent(r.value(decoded), "", "  ")
	return append(data, '\n'), err
}

// tailOf returns the end of a file, from the beginning of a line on.
func tailOf(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	from := max(0, size-most)
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, most))
	if from == 0 || err != nil {
		return data, err
	}
	for i, c := range data { // the first line is cut: a part of a secret would not be recognised
		if c == '\n' {
			return data[i+1:], nil
		}
	}
	return nil, nil
}
