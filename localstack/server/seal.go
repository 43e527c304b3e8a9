package server

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// Apps that run as processes of this machine come back after a reboot. What they were started with, the entrypoint's
// token among it, stands on the disk sealed with a key of the server, which gives nothing but this service, on its Unix
// socket, to its own user. Whoever has only the runner's files, such as a backup of them, cannot read it.

// sealPath seals (POST) and opens (PUT).
const sealPath = "/_local/seal"

// maxSealed bounds what is sealed: an environment.
const maxSealed = 1 << 20

// sealed is a request and its answer. Name is bound to the content: what was sealed for one deployment opens for no
// other.
type sealed struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
}

// sealer makes the cipher. The key is the master key's, for this purpose alone.
func (k keys) sealer() (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, k.Master, nil, "waypoint local seal", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (s *Server) serveSeal(w http.ResponseWriter, r *http.Request) {
	var in sealed
	if err := json.NewDecoder(io.LimitReader(r.Body, 2*maxSealed)).Decode(&in); err != nil || in.Name == "" || len(in.Data) > maxSealed {
		http.Error(w, "a name and at most 1 MB of data are expected", http.StatusBadRequest)
		return
	}
	gcm, err := s.keys.sealer()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	switch r.Method {
	case http.MethodPost:
		nonce := random(gcm.NonceSize())
		in.Data = gcm.Seal(nonce, nonce, in.Data, []byte(in.Name))
	case http.MethodPut:
		if len(in.Data) < gcm.NonceSize() {
			err = errors.New("too short")
		} else {
			in.Data, err = gcm.Open(nil, in.Data[:gcm.NonceSize()], in.Data[gcm.NonceSize():], []byte(in.Name))
		}
		if err != nil {
			http.Error(w, "the data was not sealed by this server under this name", http.StatusConflict)
			return
		}
	default:
		http.Error(w, "POST seals, PUT opens", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(in)
}

// Seal has the server encrypt.
func (d *LocalClient) Seal(ctx context.Context, name string, plain []byte) ([]byte, error) {
	out := sealed{}
	err := d.call(ctx, http.MethodPost, sealPath, sealed{Name: name, Data: plain}, &out)
	return out.Data, err
}

// Unseal has the server decrypt what it sealed under that name.
func (d *LocalClient) Unseal(ctx context.Context, name string, data []byte) ([]byte, error) {
	out := sealed{}
	err := d.call(ctx, http.MethodPut, sealPath, sealed{Name: name, Data: data}, &out)
	return out.Data, err
}
