package auth

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"strings"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// A token is "wp_" + kind + "_" + 43 base62 digits (256 random bits) + 6 base62 digits (CRC-32 of all before).
// The checksum lets a mistyped token be refused without a read, and lets secret scanners know one when they see it.
const (
	alphabet    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	randomBytes = 32
	randomChars = 43 // 62^43 > 2^256
	checkChars  = 6  // 62^6 > 2^32
)

var prefixes = map[waypointv1.TokenKind]string{
	waypointv1.TokenKind_TOKEN_KIND_USER:       "wp_user_",
	waypointv1.TokenKind_TOKEN_KIND_RUNNER:     "wp_runner_",
	waypointv1.TokenKind_TOKEN_KIND_ENTRYPOINT: "wp_entrypoint_",
}

// Hash is what is stored of a token: its SHA-256.
type Hash [sha256.Size]byte

// NewToken makes a token of that kind from 32 bytes of rnd.
func NewToken(kind waypointv1.TokenKind, rnd io.Reader) (string, error) {
	prefix, ok := prefixes[kind]
	if !ok {
		return "", fmt.Errorf("making a token: no tokens of kind %s exist", kind)
	}
	var raw [randomBytes]byte
	if _, err := io.ReadFull(rnd, raw[:]); err != nil {
		return "", fmt.Errorf("making a token: %w", err)
	}
	body := prefix + base62(raw)
	return body + checksum(body), nil
}

// HashOf returns what is stored of a token.
func HashOf(token string) Hash { return sha256.Sum256([]byte(token)) }

// Plausible reports whether token has the shape and checksum of one of ours, and of which kind.
func Plausible(token string) (waypointv1.TokenKind, bool) {
	for kind, prefix := range prefixes {
		if !strings.HasPrefix(token, prefix) {
			continue
		}
		if len(token) != len(prefix)+randomChars+checkChars {
			return 0, false
		}
		body := token[:len(token)-checkChars]
		return kind, checksum(body) == token[len(body):]
	}
	return 0, false
}

func checksum(body string) string {
	var out [checkChars]byte
	sum := crc32.ChecksumIEEE([]byte(body))
	for i := checkChars - 1; i >= 0; i-- {
		out[i] = alphabet[sum%62]
		sum /= 62
	}
	return string(out[:])
}

// base62 writes 256 bits as 43 digits, by long division over four 64-bit words.
func base62(raw [randomBytes]byte) string {
	var words [4]uint64
	for i := range words {
		words[i] = binary.BigEndian.Uint64(raw[8*i:])
	}
	var out [randomChars]byte
	for i := randomChars - 1; i >= 0; i-- {
		var rest uint64
		for w := range words {
			words[w], rest = bits.Div64(rest, words[w], 62)
		}
		out[i] = alphabet[rest]
	}
	return string(out[:])
}
