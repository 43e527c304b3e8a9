package secret

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/waypoint-serverless/waypoint/internal/retry"
)

// The two calls that this package makes are written out here: the SDK's clients for SSM and KMS prepare the
// schemas of their hundreds of operations at each start of a function, 11 ms of 60 that a cold start may take.

const (
	callTries = 3
	// callTimeout bounds one try.
	callTimeout = 5 * time.Second
	// answerMost bounds an answer in bytes.
	answerMost = 1 << 20
)

// awsError is what a service answers instead of a result.
type awsError struct {
	Status int
	Type   string `json:"__type"`
}

func (e *awsError) Error() string {
	return fmt.Sprintf("the service answered %d %s", e.Status, e.Type[strings.LastIndexByte(e.Type, '#')+1:])
}

// callAWS makes one call of an AWS JSON 1.1 service, and tries throttled and failed ones again, three times in all.
func callAWS(ctx context.Context, cfg aws.Config, service, target string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("calling %s: %w", target, err)
	}
	waits := retry.Policy{First: 200 * time.Millisecond, Most: time.Second}.Start()
	for try := 1; ; try++ {
		err := callOnce(ctx, cfg, service, target, body, out)
		if err == nil || try == callTries || !mayRepeat(err) || !waits.Wait(ctx, err) {
			return err
		}
	}
}

func mayRepeat(err error) bool {
	var refused *awsError
	return !errors.As(err, &refused) || refused.Status >= http.StatusInternalServerError || strings.Contains(refused.Type, "Throttling")
}

func callOnce(ctx context.Context, cfg aws.Config, service, target string, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpointOf(cfg, service), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("calling %s: %w", target, err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", target)
	keys, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("calling %s: getting credentials: %w", target, err)
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, keys, req, hex.EncodeToString(sum[:]), service, cfg.Region, time.Now()); err != nil {
		return fmt.Errorf("calling %s: signing: %w", target, err)
	}
	var client aws.HTTPClient = http.DefaultClient
	if cfg.HTTPClient != nil {
		client = cfg.HTTPClient
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("calling %s: %w", target, err)
	}
	defer func() { _ = res.Body.Close() }() // it has been read
	raw, err := io.ReadAll(io.LimitReader(res.Body, answerMost))
	if err != nil {
		return fmt.Errorf("calling %s: %w", target, err)
	}
	if res.StatusCode != http.StatusOK {
		refused := &awsError{Status: res.StatusCode}
		_ = json.Unmarshal(raw, refused) // a gateway's answer may be no JSON; the status says enough
		return refused
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("calling %s: the answer is not understood", target) // the cause could quote a key
	}
	return nil
}

// endpointOf is the configured endpoint, or the service's own in the region's partition.
func endpointOf(cfg aws.Config, service string) string {
	if cfg.BaseEndpoint != nil {
		return *cfg.BaseEndpoint
	}
	domain := "amazonaws.com"
	if strings.HasPrefix(cfg.Region, "cn-") {
		domain = "amazonaws.com.cn"
	}
	return "https://" + service + "." + cfg.Region + "." + domain + "/"
}
