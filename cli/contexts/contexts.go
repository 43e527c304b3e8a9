// Package contexts keeps the CLI's contexts: one file each, NAME.json in the user's configuration directory,
// readable by the user alone because it holds a token, and the name of the default one in a file of its own.
//
// It also recognises the files of HashiCorp Waypoint, which lie in the same directory as NAME.hcl, and never
// touches them.
package contexts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Context names a server and how to reach it.
type Context struct {
	// Address: https://…, http://127.0.0.1:… or unix:///….
	Address string `json:"address"`
	Token   string `json:"token,omitempty"`
	// Platform is "local" for the server of this machine, which is started when needed, and "aws" for one that was
	// installed from here.
	Platform string `json:"platform,omitempty"`
	// Dir is the local server's data directory.
	Dir string `json:"dir,omitempty"`
	// Workspace is used where none is given.
	Workspace string `json:"workspace,omitempty"`
	// AWS is which installation the server is, on platform "aws".
	AWS *AWS `json:"aws,omitempty"`
}

// AWS names an installation in an AWS account.
type AWS struct {
	Name    string `json:"name"`
	Account string `json:"account"`
	Region  string `json:"region"`
	// Profile is the one that it was installed with, if one was named.
	Profile string `json:"profile,omitempty"`
	// Endpoint is the emulator's, as AWS_ENDPOINT_URL named it; "" for AWS itself.
	Endpoint string `json:"endpoint,omitempty"`
}

// Store is the directory that holds them.
type Store struct{ Dir string }

// ErrNotFound is the error for a context that does not exist.
var ErrNotFound = errors.New("no such context")

const (
	suffix      = ".json"
	defaultFile = "_default"
)

// validName holds for names that are file names everywhere: 1 to 64 letters, digits, '.', '-' or '_', the first a
// letter or digit.
func validName(name string) bool {
	for i, c := range name {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("._-", c)) {
			return false
		}
	}
	return name != "" && len(name) <= 64
}

// CheckName rejects names that are not valid file names.
func CheckName(name string) error {
	if !validName(name) {
		return fmt.Errorf("%q is not a valid context name: use letters, digits, '.', '-' or '_'", name)
	}
	return nil
}

func (s Store) path(name string) string { return filepath.Join(s.Dir, name+suffix) }

// Load reads a context.
func (s Store) Load(name string) (Context, error) {
	var c Context
	if err := CheckName(name); err != nil {
		return c, err
	}
	data, err := os.ReadFile(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("%w: %q", ErrNotFound, name)
	}
	if err != nil {
		return c, fmt.Errorf("reading the context %q: %w", name, err)
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("reading the context %q: %s: %w", name, s.path(name), err)
	}
	return c, nil
}

// Save writes a context, whole or not at all.
func (s Store) Save(name string, c Context) error {
	if err := CheckName(name); err != nil {
		return err
	}
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := s.write(name+suffix, append(data, '\n')); err != nil {
		return fmt.Errorf("writing the context %q: %w", name, err)
	}
	return nil
}

func (s Store) write(file string, data []byte) error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(s.Dir, ".tmp-*") // 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(s.Dir, file))
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// List names the contexts, sorted.
func (s Store) List() ([]string, error) { return s.list(suffix) }

// Legacy names the contexts that HashiCorp Waypoint left.
func (s Store) Legacy() ([]string, error) { return s.list(".hcl") }

func (s Store) list(suffix string) ([]string, error) {
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the contexts: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), suffix); ok && validName(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Default names the default context; "" if there is none.
func (s Store) Default() (string, error) {
	data, err := os.ReadFile(filepath.Join(s.Dir, defaultFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the default context: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// SetDefault makes name the default; "" clears it.
func (s Store) SetDefault(name string) error {
	if name == "" {
		if err := os.Remove(filepath.Join(s.Dir, defaultFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clearing the default context: %w", err)
		}
		return nil
	}
	if _, err := s.Load(name); err != nil {
		return err
	}
	if err := s.write(defaultFile, []byte(name+"\n")); err != nil {
		return fmt.Errorf("setting the default context: %w", err)
	}
	return nil
}

// Delete removes a context, and the default if it was that.
func (s Store) Delete(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if _, err := os.Stat(s.path(name)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %q", ErrNotFound, name)
	}
	def, err := s.Default()
	if err != nil {
		return err
	}
	if def == name {
		if err := s.SetDefault(""); err != nil {
			return err
		}
	}
	if err := os.Remove(s.path(name)); err != nil {
		return fmt.Errorf("deleting the context %q: %w", name, err)
	}
	return nil
}

// Rename gives a context another name, which must be free.
func (s Store) Rename(from, to string) error {
	if err := CheckName(to); err != nil {
		return err
	}
	c, err := s.Load(from)
	if err != nil {
		return err
	}
	if _, err := os.Stat(s.path(to)); err == nil {
		return fmt.Errorf("the context %q already exists", to)
	}
	def, err := s.Default()
	if err != nil {
		return err
	}
	if err := s.Save(to, c); err != nil {
		return err
	}
	if def == from {
		if err := s.SetDefault(to); err != nil {
			return err
		}
	}
	return s.Delete(from)
}

// LoosePermissions reports whether other users may read the context's file (always false on Windows, which has no file
// modes).
func (s Store) LoosePermissions(name string) bool {
	if !validName(name) {
		return false
	}
	info, err := os.Stat(s.path(name))
	return err == nil && modesCount && info.Mode().Perm()&0o077 != 0
}
