package awscaller

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/waypoint-serverless/waypoint/api/awsproof"
	"github.com/waypoint-serverless/waypoint/api/fault"
)

const (
	// askWithin bounds the question to STS.
	askWithin = 5 * time.Second
	// answerMost bounds its answer.
	answerMost = 64 << 10
)

// Caller is who signed.
type Caller struct {
	// ARN as STS says it; Principal is the role behind a session, without its path, or the user.
	ARN, Principal string
}

// STS asks AWS who signed.
type STS struct {
	client   aws.HTTPClient
	endpoint string
}

// NewSTS asks at the configuration's endpoint (an emulator's), or at STS in the region that was signed for, through the
// configuration's client.
func NewSTS(cfg aws.Config) *STS {
	s := &STS{client: cfg.HTTPClient, endpoint: aws.ToString(cfg.BaseEndpoint)}
	if s.client == nil {
		s.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return s
}

// Ask passes the signed request on. Who is refused by STS is refused here; an STS that does not answer is UNAVAILABLE.
func (t *STS) Ask(ctx context.Context, s *Signed) (Caller, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	endpoint := t.endpoint
	if endpoint == "" {
		endpoint = "https://" + s.host
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(endpoint, "/")+"/", strings.NewReader(awsproof.Body))
	if err != nil {
		return Caller{}, fmt.Errorf("asking STS: %w", err)
	}
	req.Header = s.header.Clone()
	req.Header.Del("Host")
	req.Header.Del("Content-Length")
	req.Host, req.ContentLength = s.host, int64(len(awsproof.Body))
	res, err := t.client.Do(req)
	if err != nil {
		return Caller{}, fault.New(connect.CodeUnavailable, fault.Unavailable, "AWS STS cannot be asked who the runner is").
			WithHint("Try again.").WithCause(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, answerMost))
	switch {
	case err != nil || res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests:
		return Caller{}, fault.New(connect.CodeUnavailable, fault.Unavailable, "AWS STS answers %s to the question who the runner is", res.Status).
			WithHint("Try again.").WithCause(err)
	case res.StatusCode != http.StatusOK:
		return Caller{}, refuse("AWS does not accept the identity's signature (%s)", code(body))
	}
	var answer struct {
		ARN string `xml:"GetCallerIdentityResult>Arn"`
	}
	if err := xml.Unmarshal(body, &answer); err != nil || answer.ARN == "" {
		return Caller{}, fault.New(connect.CodeUnavailable, fault.Unavailable, "the answer of AWS STS cannot be read").WithHint("Try again.")
	}
	principal, ok := principalOf(answer.ARN)
	if !ok {
		return Caller{}, refuse("%s is neither a role nor a user", answer.ARN)
	}
	return Caller{ARN: answer.ARN, Principal: principal}, nil
}

// code is the error code in STS's answer: a word of AWS's, never the caller's.
func code(body []byte) string {
	var answer struct {
		Code string `xml:"Error>Code"`
	}
	if err := xml.Unmarshal(body, &answer); err != nil || answer.Code == "" || len(answer.Code) > 64 {
		return "no reason given"
	}
	return answer.Code
}

// principalOf turns the ARN of a role's session into the role's, without its path, which STS does not tell.
func principalOf(arn string) (string, bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" {
		return "", false
	}
	kind, name, _ := strings.Cut(parts[5], "/")
	switch {
	case parts[2] == "sts" && kind == "assumed-role":
		role, session, ok := strings.Cut(name, "/")
		return strings.Join([]string{"arn", parts[1], "iam", "", parts[4], "role/" + role}, ":"), ok && role != "" && session != ""
	case parts[2] == "iam" && kind == "user" && name != "":
		return arn, true
	}
	return "", false
}
