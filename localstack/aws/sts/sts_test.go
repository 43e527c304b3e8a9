package sts_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sts"
)

const (
	account = "000000000000"
	role    = "arn:aws:iam::" + account + ":role/wp-runner"
	queue   = "arn:aws:sqs:us-east-1:000000000000:wp-pool-1"
	policy  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sqs:ReceiveMessage","sqs:DeleteMessage"],"Resource":"` + queue + `"}]}`
)

var root = sigv4.Credential{AccessKeyID: "AKIAROOT", Secret: "root-secret",
	Principal: sigv4.Principal{Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account}}

type world struct {
	t      *testing.T
	engine *sts.Engine
	url    string
	offset time.Duration // of the engine's clock
}

func start(t *testing.T, key []byte) *world {
	t.Helper()
	w := &world{t: t}
	engine, err := sts.New(sts.Options{Account: account, Key: key, Rand: rand.Reader,
		Clock: func() time.Time { return time.Now().Add(w.offset) }})
	if err != nil {
		t.Fatal(err)
	}
	v := &sigv4.Verifier{Lookup: sigv4.FirstOf(sigv4.Static(root), engine.Lookup), Region: "us-east-1", Clock: time.Now}
	srv := httptest.NewServer(v.Middleware(sts.Service, engine))
	t.Cleanup(srv.Close)
	w.engine, w.url = engine, srv.URL
	return w
}

func (w *world) client(c sigv4.Credential) *awssts.Client {
	return awssts.New(awssts.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(w.url), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.Secret, c.SessionToken),
	})
}

func (w *world) assume(mutate func(*awssts.AssumeRoleInput)) (*awssts.AssumeRoleOutput, error) {
	in := &awssts.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: aws.String("runner-1"), Policy: aws.String(policy)}
	if mutate != nil {
		mutate(in)
	}
	return w.client(root).AssumeRole(context.Background(), in)
}

func asCredential(c *types.Credentials) sigv4.Credential {
	return sigv4.Credential{AccessKeyID: *c.AccessKeyId, Secret: *c.SecretAccessKey, SessionToken: *c.SessionToken}
}

func key() []byte { return bytes.Repeat([]byte{7}, 32) }

func TestAssumedKeysWorkAndAreLimitedToTheirPolicy(t *testing.T) {
	w := start(t, key())
	out, err := w.assume(func(in *awssts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(900) })
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(*out.Credentials.Expiration); left > 15*time.Minute || left < 14*time.Minute {
		t.Errorf("expires in %v", left)
	}
	if !strings.HasPrefix(*out.Credentials.AccessKeyId, "ASIA") || len(*out.Credentials.SecretAccessKey) != 40 {
		t.Errorf("keys of another shape than AWS's: %s, %d", *out.Credentials.AccessKeyId, len(*out.Credentials.SecretAccessKey))
	}
	id, err := w.client(asCredential(out.Credentials)).GetCallerIdentity(context.Background(), &awssts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "arn:aws:sts::000000000000:assumed-role/wp-runner/runner-1"; *id.Arn != want || *out.AssumedRoleUser.Arn != want || *id.Account != account {
		t.Errorf("identity %s, assumed %s", *id.Arn, *out.AssumedRoleUser.Arn)
	}
	if *id.UserId != *out.AssumedRoleUser.AssumedRoleId {
		t.Errorf("user id %s, assumed role id %s", *id.UserId, *out.AssumedRoleUser.AssumedRoleId)
	}
	cred, ok := w.engine.Lookup(context.Background(), *out.Credentials.AccessKeyId, *out.Credentials.SessionToken)
	if !ok || !cred.Principal.Policy.Allows("sqs:ReceiveMessage", queue) || cred.Principal.Policy.Allows("sqs:ReceiveMessage", queue+"2") {
		t.Error("the session policy does not hold")
	}
}

func TestKeysSurviveARestartUnderTheSameMasterKeyOnly(t *testing.T) {
	out, err := start(t, key()).assume(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := asCredential(out.Credentials)
	if _, err := start(t, key()).client(c).GetCallerIdentity(context.Background(), nil); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	_, err = start(t, bytes.Repeat([]byte{8}, 32)).client(c).GetCallerIdentity(context.Background(), nil)
	wantCode(t, err, "InvalidClientTokenId")
}

func TestKeysExpire(t *testing.T) {
	w := start(t, key())
	w.offset = -2 * time.Hour
	out, err := w.assume(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.client(asCredential(out.Credentials)).GetCallerIdentity(context.Background(), nil)
	wantCode(t, err, "ExpiredToken")
}

func TestATokenServesItsOwnKeyOnly(t *testing.T) {
	w := start(t, key())
	one, err := w.assume(nil)
	if err != nil {
		t.Fatal(err)
	}
	two, err := w.assume(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := asCredential(one.Credentials)
	c.SessionToken = *two.Credentials.SessionToken
	_, err = w.client(c).GetCallerIdentity(context.Background(), nil)
	wantCode(t, err, "InvalidClientTokenId")
}

func TestASessionCannotMakeKeys(t *testing.T) {
	w := start(t, key())
	out, err := w.assume(func(in *awssts.AssumeRoleInput) {
		in.Policy = aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.client(asCredential(out.Credentials)).AssumeRole(context.Background(), &awssts.AssumeRoleInput{
		RoleArn: aws.String(role), RoleSessionName: aws.String("chained"), Policy: aws.String(policy)})
	wantCode(t, err, "AccessDenied")
}

func TestRefuses(t *testing.T) {
	w := start(t, key())
	tests := []struct {
		name   string
		mutate func(*awssts.AssumeRoleInput)
		code   string
		names  string
	}{
		{"a role of another account", func(in *awssts.AssumeRoleInput) { in.RoleArn = aws.String("arn:aws:iam::111111111111:role/x") }, "ValidationError", "RoleArn"},
		{"an ARN that is no role", func(in *awssts.AssumeRoleInput) { in.RoleArn = aws.String(strings.Repeat("x", 20)) }, "ValidationError", "RoleArn"},
		{"a wrong session name", func(in *awssts.AssumeRoleInput) { in.RoleSessionName = aws.String("a b") }, "ValidationError", "RoleSessionName"},
		{"no policy", func(in *awssts.AssumeRoleInput) { in.Policy = nil }, "ValidationError", "Policy"},
		{"a long policy", func(in *awssts.AssumeRoleInput) { in.Policy = aws.String(strings.Repeat(" ", 2048) + policy) }, "ValidationError", "2048"},
		{"a broken policy", func(in *awssts.AssumeRoleInput) { in.Policy = aws.String("{") }, "MalformedPolicyDocument", "policy"},
		{"a condition", func(in *awssts.AssumeRoleInput) {
			in.Policy = aws.String(strings.Replace(policy, `"Effect"`, `"Condition":{},"Effect"`, 1))
		}, "MalformedPolicyDocument", "Condition"},
		{"a short session", func(in *awssts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(899) }, "ValidationError", "DurationSeconds"},
		{"a long session", func(in *awssts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(3601) }, "ValidationError", "MaxSessionDuration"},
		{"tags", func(in *awssts.AssumeRoleInput) {
			in.Tags = []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}
		}, "InvalidParameterCombination", "Tags"},
		{"an external id", func(in *awssts.AssumeRoleInput) { in.ExternalId = aws.String("xx") }, "InvalidParameterCombination", "ExternalId"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.assume(tt.mutate)
			wantCode(t, err, tt.code)
			if err != nil && !strings.Contains(err.Error(), tt.names) {
				t.Errorf("%v does not name %s", err, tt.names)
			}
		})
	}
	t.Run("another operation", func(t *testing.T) {
		_, err := w.client(root).GetSessionToken(context.Background(), nil)
		wantCode(t, err, "InvalidAction")
	})
	t.Run("no signature", func(t *testing.T) {
		res, err := http.Post(w.url, "application/x-www-form-urlencoded", strings.NewReader("Action=GetCallerIdentity&Version=2011-06-15"))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("got %s", res.Status)
		}
	})
}

func TestNewRefusesAShortKey(t *testing.T) {
	if _, err := sts.New(sts.Options{Account: account, Key: key()[:31], Clock: time.Now, Rand: rand.Reader}); err == nil {
		t.Fatal("accepted")
	}
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		t.Errorf("got %v, want %s", err, code)
	}
}
