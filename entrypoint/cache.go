package entrypoint

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"

	"google.golang.org/protobuf/proto"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// cache keeps the last configuration on disk (mode 0600), for a start while the server is away. It is sealed
// with a key derived from the token and bound to the deployment: without the token, which is never written
// anywhere, it says nothing.
type cache struct {
	path         string
	token        string
	deploymentID string
}

func (c *cache) aead() (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(c.token), nil, "waypoint-entrypoint config cache v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// load gives the last configuration, or nil if there is none that this token opens.
func (c *cache) load() *waypointv1.AppConfig {
	if c.path == "" {
		return nil
	}
	sealed, err := os.ReadFile(c.path)
	if err != nil {
		return nil
	}
	aead, err := c.aead()
	if err != nil || len(sealed) < aead.NonceSize() {
		return nil
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(c.deploymentID))
	if err != nil {
		return nil
	}
	config := new(waypointv1.AppConfig)
	if proto.Unmarshal(plain, config) != nil {
		return nil
	}
	return config
}

func (c *cache) store(config *waypointv1.AppConfig) error {
	if c.path == "" {
		return nil
	}
	plain, err := proto.Marshal(config)
	if err != nil {
		return err
	}
	aead, err := c.aead()
	if err != nil {
		return err
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	if err := writeFile(c.path, aead.Seal(nonce, nonce, plain, []byte(c.deploymentID)), 0o600); err != nil {
		return fmt.Errorf("writing the configuration cache: %w", err)
	}
	return nil
}
