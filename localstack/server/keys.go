package server

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Region and Account that the engines stand for.
const (
	Region  = "us-east-1"
	Account = "000000000000"
)

// keys are made at random at the first start and kept in a 0600 file of the data directory. Whoever has
// them has everything that the server has.
type keys struct {
	ServerID string `json:"server_id"`
	// Master encrypts secrets in the table; Session seals the keys that STS vends. 32 bytes each.
	Master  []byte `json:"master"`
	Session []byte `json:"session"`
	// The root key pair of the engines.
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
}

func newKeys() keys {
	return keys{
		ServerID:        hex.EncodeToString(random(16)),
		Master:          random(32),
		Session:         random(32),
		AccessKeyID:     "AKIA" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random(10)),
		SecretAccessKey: hex.EncodeToString(random(20)),
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}

// loadKeys reads the key file, and makes it at the first start. Where there is data already, new keys would open none
// of its secrets and seal later ones so that the old keys open only half: a missing key file is refused then.
func loadKeys(path, dataPath string) (keys, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if there, err := hasData(dataPath); err != nil || there {
			return keys{}, errors.Join(err, missingKeys(path, dataPath))
		}
		k := newKeys()
		data, err = json.Marshal(k)
		if err != nil {
			return keys{}, fmt.Errorf("encoding new keys: %w", err)
		}
		return k, writeFile(path, data)
	}
	if err != nil {
		return keys{}, fmt.Errorf("reading the server's keys: %w", err)
	}
	var k keys
	if err := json.Unmarshal(data, &k); err != nil {
		return keys{}, fmt.Errorf("the key file %s is damaged: %w", path, err)
	}
	if len(k.Master) != 32 || len(k.Session) != 32 || k.ServerID == "" || k.SecretAccessKey == "" {
		return keys{}, fmt.Errorf("the key file %s is damaged: a key is missing", path)
	}
	return k, nil
}

// hasData reports whether a data file, or what SQLite has not moved into it yet, holds anything. An empty file is what
// a server leaves that was ended before it wrote.
func hasData(path string) (bool, error) {
	for _, file := range []string{path, path + "-wal"} {
		info, err := os.Stat(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return false, fmt.Errorf("checking for earlier data: %w", err)
		case info.Size() > 0:
			return true, nil
		}
	}
	return false, nil
}

func missingKeys(path, dataPath string) error {
	return fmt.Errorf("the key file %s is missing, and the secrets in %s cannot be decrypted without it: restore keys.json from a backup, "+
		"or delete the data and start again with `waypoint uninstall --platform=local --purge`", path, dataPath)
}

// writeFile writes a 0600 file whole or not at all, and only returns when it is on disk.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when renamed
	if err := errors.Join(writeSync(f, data), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

func writeSync(f *os.File, data []byte) error {
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}
