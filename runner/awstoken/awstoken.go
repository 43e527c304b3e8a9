// Package awstoken gets a runner its token from an identity of AWS, so that runners on AWS store no secret: it signs a
// request of STS's GetCallerIdentity with the keys that the machine or task has, and the server passes it on to STS.
//
// The keys stay here; what leaves is one signature, made for one server and good for five minutes. The token lives in
// memory only. It imports api and internal/client, nothing else of ours.
package awstoken

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/waypoint-serverless/waypoint/api/awsproof"
	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/api/waypoint/v1/waypointv1connect"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

const (
	// tries bounds Token's tries while STS does not answer.
	tries = 5
	// renewBefore is how long before its end a token is renewed, and renewAgain when that failed.
	renewBefore = 15 * time.Minute
	renewAgain  = 30 * time.Second
)

// Holder exchanges the identity that Credentials have.
type Holder struct {
	Server      waypointv1connect.ServerServiceClient
	Credentials aws.CredentialsProvider
	// Region is whose STS is asked.
	Region string
	// Now and After are the system's if nil.
	Now    func() time.Time
	After  func(time.Duration) <-chan time.Time
	Logger *slog.Logger
}

func (h *Holder) now() time.Time {
	if h.Now == nil {
		return time.Now()
	}
	return h.Now()
}

func (h *Holder) wait(ctx context.Context, d time.Duration) error {
	after := h.After
	if after == nil {
		t := time.NewTimer(d)
		defer t.Stop()
		after = func(time.Duration) <-chan time.Time { return t.C }
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-after(d):
		return nil
	}
}

// Token exchanges the identity for a new token. It tries again, some seconds in all, while AWS does not answer.
func (h *Holder) Token(ctx context.Context) (*waypointv1.ExchangeIdentityResponse, error) {
	for try := 1; ; try++ {
		out, err := h.exchange(ctx, "")
		if err == nil || try == tries || !fault.Is(err, fault.Unavailable) && !client.Unreachable(err) {
			return out, err
		}
		if err := h.wait(ctx, time.Duration(try)*time.Second); err != nil {
			return nil, err
		}
	}
}

// Keep renews the token until ctx ends, or until the server refuses.
func (h *Holder) Keep(ctx context.Context, token string, expires time.Time) error {
	for {
		if err := h.wait(ctx, max(expires.Sub(h.now())-renewBefore, renewAgain)); err != nil {
			return nil //nolint:nilerr // the end of ctx is the end of keeping
		}
		out, err := h.exchange(ctx, token)
		switch {
		case err == nil:
			expires = time.Unix(out.GetExpiresUnix(), 0)
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the same
		case fault.Is(err, fault.IdentityRefused):
			return fmt.Errorf("renewing the runner's token: %w", err)
		default:
			h.Logger.WarnContext(ctx, "the runner's token was not renewed yet", "error", err)
		}
	}
}

func (h *Holder) exchange(ctx context.Context, token string) (*waypointv1.ExchangeIdentityResponse, error) {
	info, err := h.Server.GetServerInfo(ctx, connect.NewRequest(&waypointv1.GetServerInfoRequest{}))
	if err != nil {
		return nil, err
	}
	headers, err := h.Sign(ctx, info.Msg.GetServerId())
	if err != nil {
		return nil, err
	}
	req := connect.NewRequest(&waypointv1.ExchangeIdentityRequest{Headers: headers})
	if token != "" {
		req.Header().Set("Authorization", "Bearer "+token)
	}
	// A signature counts once: what got no answer is signed anew by the next try. The client never sends this call again.
	res, err := h.Server.ExchangeIdentity(ctx, req)
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

// Sign signs the request for one server and gives its headers.
func (h *Holder) Sign(ctx context.Context, serverID string) (map[string]string, error) {
	keys, err := h.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("getting this machine's AWS keys: %w", err)
	}
	if h.Region == "" {
		return nil, errors.New("no AWS region is set: set AWS_REGION")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+awsproof.Host(h.Region)+"/", strings.NewReader(awsproof.Body))
	if err != nil {
		return nil, fmt.Errorf("signing this machine's identity: %w", err)
	}
	req.Header.Set("Content-Type", awsproof.ContentType)
	req.Header.Set(awsproof.ServerHeader, serverID)
	req.Header.Set(awsproof.NonceHeader, rand.Text())
	if err := v4.NewSigner().SignHTTP(ctx, keys, req, awsproof.BodySHA256, "sts", h.Region, h.now()); err != nil {
		return nil, fmt.Errorf("signing this machine's identity: %w", err)
	}
	out := map[string]string{"Host": req.URL.Host, "Content-Length": strconv.Itoa(len(awsproof.Body))}
	for name := range req.Header {
		out[name] = req.Header.Get(name)
	}
	return out, nil
}
