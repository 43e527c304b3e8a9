package client

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// ErrPin is returned if the server's key is not the pinned one.
var ErrPin = errors.New("the server's key is not the one that was pinned")

// pinned accepts the one key whose hash is the pin, and looks at nothing else of the certificate.
func pinned(pin string) (*tls.Config, error) {
	encoded, ok := strings.CutPrefix(pin, "sha256/")
	want, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(want) != sha256.Size {
		return nil, fmt.Errorf("%w: the pin of its key must be sha256/ followed by the hash in base64", ErrAddress)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection is stricter: it wants one key
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return ErrPin
			}
			have := sha256.Sum256(state.PeerCertificates[0].RawSubjectPublicKeyInfo)
			if subtle.ConstantTimeCompare(have[:], want) != 1 {
				return ErrPin
			}
			return nil
		},
	}, nil
}
