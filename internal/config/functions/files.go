package functions

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// maxFileSize bounds what file() and its like read.
const maxFileSize = 64 << 20

// Expand makes a path absolute: ~ is the user's home, a relative path starts at dir.
func Expand(dir, path string) (string, error) {
	if path == "~" || strings.HasPrefix(path, "~/") || strings.HasPrefix(path, `~\`) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("expanding ~: %w", err)
		}
		path = filepath.Join(home, path[1:])
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return filepath.Clean(path), nil
}

// ReadFile reads a file for an expression. Its errors are short sentences without the absolute path twice.
func ReadFile(dir, path string) ([]byte, error) {
	full, err := Expand(dir, path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &MissingFileError{Path: full, near: nearbyFile(full)}
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a directory", full)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", full)
	case info.Size() > maxFileSize:
		return nil, fmt.Errorf("%s is larger than %d MB", full, maxFileSize>>20)
	}
	f, err := os.Open(full)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxFileSize+1)) // it may grow meanwhile, or not know its size (/proc)
	if err == nil && len(content) > maxFileSize {
		err = fmt.Errorf("%s is larger than %d MB", full, maxFileSize>>20)
	}
	return content, err
}

// MissingFileError is about a file that is not there.
type MissingFileError struct {
	// Path is absolute.
	Path string
	near string
}

func (e *MissingFileError) Error() string { return "there is no file " + e.Path + e.near }

// nearbyFile suggests a file of the same directory whose name differs only in case or extension.
func nearbyFile(full string) string {
	entries, err := os.ReadDir(filepath.Dir(full))
	if err != nil {
		return ""
	}
	stem := func(name string) string { return strings.ToLower(strings.TrimSuffix(name, filepath.Ext(name))) }
	for _, e := range entries {
		if !e.IsDir() && stem(e.Name()) == stem(filepath.Base(full)) {
			return fmt.Sprintf("; there is %s", e.Name())
		}
	}
	return ""
}

func readText(dir, path string) (string, error) {
	b, err := ReadFile(dir, path)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(b) {
		return "", fmt.Errorf("%s is not UTF-8 text; use filebase64 for other content", path)
	}
	return string(b), nil
}

func addFilesystem(table map[string]function.Function, dir string, meter *Meter) {
	table["file"] = stringFunc("path", func(p string) (string, error) { return readText(dir, p) })
	table["filebase64"] = stringFunc("path", func(p string) (string, error) {
		b, err := ReadFile(dir, p)
		return base64.StdEncoding.EncodeToString(b), err
	})
	for name, newHash := range hashes() {
		table["file"+name] = stringFunc("path", func(p string) (string, error) {
			b, err := ReadFile(dir, p)
			return hex.EncodeToString(sum(newHash, b)), err
		})
		if name == "sha256" || name == "sha512" {
			table["filebase64"+name] = stringFunc("path", func(p string) (string, error) {
				b, err := ReadFile(dir, p)
				return base64.StdEncoding.EncodeToString(sum(newHash, b)), err
			})
		}
	}
	table["basename"] = stringFunc("path", func(p string) (string, error) { return filepath.Base(p), nil })
	table["dirname"] = stringFunc("path", func(p string) (string, error) { return filepath.Dir(p), nil })
	table["abspath"] = stringFunc("path", func(p string) (string, error) {
		if !filepath.IsAbs(p) {
			p = filepath.Join(dir, p)
		}
		return filepath.ToSlash(filepath.Clean(p)), nil
	})
	table["pathexpand"] = stringFunc("path", func(p string) (string, error) {
		if !strings.HasPrefix(p, "~") {
			return p, nil
		}
		return Expand(dir, p)
	})
	table["fileexists"] = fileExistsFunc(dir)
	table["fileset"] = fileSetFunc(dir, meter)
}

func fileExistsFunc(dir string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{stringParam("path")},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			full, err := Expand(dir, args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.Bool), err
			}
			info, err := os.Stat(full)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return cty.False, nil
			case err != nil:
				return cty.UnknownVal(cty.Bool), err
			case !info.Mode().IsRegular():
				return cty.UnknownVal(cty.Bool), function.NewArgErrorf(0, "%s is not a regular file", full)
			}
			return cty.True, nil
		},
	})
}

// fileSetFunc is fileset(dir, pattern): the files below dir that match, with slashes, relative to dir. Links to directories
// are not followed: a link to a directory above would list everything again, and again below itself.
func fileSetFunc(base string, meter *Meter) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{stringParam("dir"), stringParam("pattern")},
		Type:   function.StaticReturnType(cty.Set(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			root, err := Expand(base, args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.Set(cty.String)), function.NewArgError(0, err)
			}
			pattern := args[1].AsString()
			if !doublestar.ValidatePattern(pattern) {
				return cty.UnknownVal(cty.Set(cty.String)), function.NewArgErrorf(1, "%q is not a file pattern", pattern)
			}
			tree := &paidTree{tree: os.DirFS(root), meter: meter}
			names, err := doublestar.Glob(tree, pattern, doublestar.WithFilesOnly(), doublestar.WithNoFollow())
			if meter.Err() != nil {
				return cty.UnknownVal(cty.Set(cty.String)), meter.Err()
			}
			names = slices.DeleteFunc(names, func(name string) bool { // a link that was not followed is listed
				info, err := fs.Stat(tree, name)
				return err != nil || info.IsDir()
			})
			if err != nil {
				return cty.UnknownVal(cty.Set(cty.String)), function.NewArgErrorf(1, "matching %q: %s", pattern, err)
			}
			if len(names) == 0 {
				return cty.SetValEmpty(cty.String), nil
			}
			vals := make([]cty.Value, len(names))
			for i, n := range names {
				vals[i] = cty.StringVal(n)
			}
			return cty.SetVal(vals), nil
		},
	})
}

// paidTree is a directory tree whose reading is paid for, so that a pattern with many alternatives ends, too.
type paidTree struct {
	tree  fs.FS
	meter *Meter
}

// lookCost is what it costs to look at one name.
const lookCost = 100

func (t *paidTree) Open(name string) (fs.File, error) {
	if err := t.meter.Spend(lookCost, 0); err != nil {
		return nil, err
	}
	return t.tree.Open(name)
}

func (t *paidTree) Stat(name string) (fs.FileInfo, error) {
	if err := t.meter.Spend(lookCost, 0); err != nil {
		return nil, err
	}
	return fs.Stat(t.tree, name)
}

func (t *paidTree) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := t.meter.Spend(lookCost, 0); err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(t.tree, name)
	if spent := t.meter.Spend(lookCost*int64(len(entries)), elementBytes*int64(len(entries))); spent != nil {
		return nil, spent
	}
	return entries, err
}
