// Package awscaller finds out which role of AWS somebody holds, without seeing its keys: the caller signs a request of
// STS's GetCallerIdentity and hands over the signature; this package passes it on to STS and reads the answer.
//
// What is passed on is fixed but for the signature: method, host, path and body are this package's, so that nobody can
// make the server call anything else. The signature must cover the id of this server, so that one that was made for
// another server is of no use here, and a date of the last minutes. Whom to accept is the caller's decision, and so is
// that a signature counts once. It imports api and nothing else of ours.
package awscaller

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/awsproof"
	"github.com/waypoint-serverless/waypoint/api/fault"
)

// Bounds of what is handed over.
const (
	algorithm  = "AWS4-HMAC-SHA256"
	dateFormat = "20060102T150405Z"
	// Tolerance is how far the signature's date may be from the server's clock, as on AWS.
	Tolerance = 5 * time.Minute
	// headerMost bounds a header; session tokens are the longest.
	headerMost = 8 << 10
)

// headers that may be handed over, all of which must be signed but Authorization itself.
var headers = []string{"Authorization", "Content-Length", "Content-Type", "Host", "X-Amz-Content-Sha256", "X-Amz-Date", "X-Amz-Security-Token", awsproof.ServerHeader, awsproof.NonceHeader}

// Signed is a signed request of GetCallerIdentity.
type Signed struct {
	header http.Header
	host   string
	region string
	// Date of the signature; it is of no use after Date + Tolerance.
	Date time.Time
	sum  [sha256.Size]byte
}

// Digest stands for the signature, which must count once.
func (s *Signed) Digest() string { return hex.EncodeToString(s.sum[:]) }

func refuse(format string, args ...any) *fault.Error {
	return fault.New(connect.CodeUnauthenticated, fault.IdentityRefused, format, args...).
		WithHint("`waypoint runner agent` signs such a request itself; see \"Runners on AWS without secrets\" in the operators' guide.")
}

var (
	credential = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^([A-Za-z0-9]{16,128})/(\d{8})/([a-z]{2}(?:-[a-z]+){1,3}-\d{1,2})/sts/aws4_request$`)
	})
	signature = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{64}$`) })
)

// Parse checks the headers of a signed request. It believes nothing of them yet: STS does the proof.
func Parse(given map[string]string, serverID string, now time.Time) (*Signed, error) {
	s := &Signed{header: http.Header{}}
	for name, value := range given {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !slices.Contains(headers, canonical):
			return nil, refuse("the header %.40q has no place in a signed identity", name)
		case s.header.Get(canonical) != "":
			return nil, refuse("the header %s is given twice", canonical)
		case value == "" || len(value) > headerMost || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
			return nil, refuse("the header %s is empty, too long or not plain text", canonical)
		}
		s.header.Set(canonical, value)
	}
	if err := s.authorization(); err != nil {
		return nil, err
	}
	if got := s.header.Get(awsproof.ServerHeader); got != serverID {
		return nil, refuse("the identity was signed for another server")
	}
	date, err := time.Parse(dateFormat, s.header.Get("X-Amz-Date"))
	if err != nil {
		return nil, refuse("the identity's X-Amz-Date is not a date")
	}
	if off := now.Sub(date).Abs(); off > Tolerance {
		return nil, refuse("the identity was signed at %s, which is %s off this server's clock; at most %s is allowed", date.Format(time.RFC3339), off.Round(time.Second), Tolerance).
			WithHint("Set the runner's clock, for example with NTP.")
	}
	s.Date = date
	return s, nil
}

// authorization reads who signed what, and holds the host to STS's of the region that was signed for.
func (s *Signed) authorization() error {
	rest, ok := strings.CutPrefix(s.header.Get("Authorization"), algorithm+" ")
	parts := map[string]string{}
	for _, part := range strings.Split(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := parts[name]; twice { // who reads which of the two is nobody's to choose
			return refuse("the identity's Authorization says %.40q twice", name)
		}
		parts[name] = value
	}
	scope := credential().FindStringSubmatch(parts["Credential"])
	if !ok || len(parts) != 3 || scope == nil || !signature().MatchString(parts["Signature"]) {
		return refuse("the identity is not a request to STS that is signed with AWS Signature Version 4")
	}
	signed := strings.Split(parts["SignedHeaders"], ";")
	for name := range s.header {
		if name != "Authorization" && !slices.Contains(signed, strings.ToLower(name)) {
			return refuse("the signature does not cover the header %s", name)
		}
	}
	for _, name := range signed {
		if s.header.Get(name) == "" {
			return refuse("the signature covers the header %.40q, which is not there", name)
		}
	}
	for _, name := range []string{"Host", "X-Amz-Date", awsproof.ServerHeader} {
		if s.header.Get(name) == "" {
			return refuse("the signature does not cover the header %s", name)
		}
	}
	s.region, s.host = scope[3], s.header.Get("Host")
	if s.host != awsproof.Host(s.region) {
		return refuse("the identity is for the host %.80q, not for STS in %s", s.host, s.region)
	}
	if length := s.header.Get("Content-Length"); length != "" && length != strconv.Itoa(len(awsproof.Body)) {
		return refuse("the identity's body is not that of GetCallerIdentity")
	}
	if sum := s.header.Get("X-Amz-Content-Sha256"); sum != "" && sum != awsproof.BodySHA256 {
		return refuse("the identity's body is not that of GetCallerIdentity")
	}
	s.sum = sha256.Sum256([]byte(parts["Signature"]))
	return nil
}
