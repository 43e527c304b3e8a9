package sigv4_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

var root = sigv4.Credential{
	AccessKeyID: "AKIAROOT", Secret: "root-secret",
	Principal: sigv4.Principal{Account: "000000000000", ARN: "arn:aws:iam::000000000000:root"},
}

var session = sigv4.Credential{
	AccessKeyID: "ASIASESSION", Secret: "session-secret", SessionToken: "token-1", Expires: now.Add(time.Hour),
	Principal: sigv4.Principal{Account: "000000000000", ARN: "arn:aws:sts::000000000000:assumed-role/r/s"},
}

var expired = sigv4.Credential{
	AccessKeyID: "ASIAEXPIRED", Secret: "expired-secret", SessionToken: "token-2", Expires: now,
}

func verifier() *sigv4.Verifier {
	return &sigv4.Verifier{
		Lookup: sigv4.Static(root, session, expired),
		Region: "us-east-1",
		Clock:  func() time.Time { return now },
	}
}

// sign makes a request as the SDK does.
func sign(t *testing.T, c sigv4.Credential, target, body, service, region string, at time.Time) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
	req.Header["X-Amz-Meta-Spaces"] = []string{"  a   b  ", "c"}
	sum := sha256.Sum256([]byte(body))
	cred := aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.Secret, SessionToken: c.SessionToken}
	if err := v4.NewSigner().SignHTTP(context.Background(), cred, req, hex.EncodeToString(sum[:]), service, region, at); err != nil {
		t.Fatal(err)
	}
	// Over the wire, the server sees the host in Host and not in the URL.
	req.Host = req.URL.Host
	return req
}

type answer struct {
	status int
	code   string
	body   string
	seen   string
	who    sigv4.Principal
}

func serve(t *testing.T, v *sigv4.Verifier, service string, req *http.Request) answer {
	t.Helper()
	var a answer
	h := v.Middleware(service, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		a.seen = string(b)
		a.who, _ = sigv4.PrincipalFrom(r.Context())
	}))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	a.status, a.body = rec.Code, rec.Body.String()
	var e struct {
		Type string `json:"__type"`
	}
	if json.Unmarshal(rec.Body.Bytes(), &e) == nil {
		_, a.code, _ = strings.Cut(e.Type, "#")
	}
	return a
}

func TestAcceptsWhatTheSDKSigns(t *testing.T) {
	targets := []string{
		"http://sqs.localhost/", "http://sqs.localhost", "http://127.0.0.1:4566/000000000000/jobs",
		"http://sqs.localhost/a%20b/%C3%A9?x=1&y=a+b&x=0&z", "http://sqs.localhost:80/", "http://sqs.localhost/a//b/~c",
	}
	for _, target := range targets {
		for _, cred := range []sigv4.Credential{root, session} {
			t.Run(target+" "+cred.AccessKeyID, func(t *testing.T) {
				req := sign(t, cred, target, `{"a":1}`, "sqs", "us-east-1", now.Add(-4*time.Minute))
				req.Host = strings.TrimSuffix(req.Host, ":80") // as Go's client sends it
				a := serve(t, verifier(), "sqs", req)
				if a.status != http.StatusOK || a.seen != `{"a":1}` || a.who.ARN != cred.Principal.ARN {
					t.Fatalf("got %+v", a)
				}
			})
		}
	}
}

func TestAcceptsAnEmptyBodyAndOverTheWire(t *testing.T) {
	srv := httptest.NewServer(verifier().Middleware("sqs", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	defer srv.Close()
	for _, body := range []string{"", "{}", strings.Repeat("x", 1<<20)} {
		res, err := srv.Client().Do(sign(t, root, srv.URL+"/x?y=1", body, "sqs", "us-east-1", now))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%d byte body: %s", len(body), res.Status)
		}
	}
}

func TestRefuses(t *testing.T) {
	wrongSecret, wrongToken, noToken, unknown := root, session, session, root
	wrongSecret.Secret = "guess"
	wrongToken.SessionToken = "token-2"
	noToken.SessionToken = ""
	unknown.AccessKeyID = "AKIANOBODY"
	tests := []struct {
		name   string
		cred   sigv4.Credential
		at     time.Duration
		region string
		svc    string
		mutate func(r *http.Request)
		code   string
	}{
		{name: "a wrong secret", cred: wrongSecret, code: "InvalidSignatureException"},
		{name: "an unknown key", cred: unknown, code: "UnrecognizedClientException"},
		{name: "a wrong session token", cred: wrongToken, code: "UnrecognizedClientException"},
		{name: "a temporary key without its token", cred: noToken, code: "UnrecognizedClientException"},
		{name: "an expired key", cred: expired, code: "ExpiredTokenException"},
		{name: "a clock that is late", cred: root, at: -6 * time.Minute, code: "InvalidSignatureException"},
		{name: "a clock that is early", cred: root, at: 6 * time.Minute, code: "InvalidSignatureException"},
		{name: "another region", cred: root, region: "eu-west-1", code: "InvalidSignatureException"},
		{name: "another service", cred: root, svc: "dynamodb", code: "InvalidSignatureException"},
		{name: "another body", cred: root, code: "InvalidSignatureException",
			mutate: func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`{"a":2}`)) }},
		{name: "another method", cred: root, code: "InvalidSignatureException",
			mutate: func(r *http.Request) { r.Method = http.MethodPut }},
		{name: "another path", cred: root, code: "InvalidSignatureException",
			mutate: func(r *http.Request) { r.URL.Path = "/other" }},
		{name: "another query", cred: root, code: "InvalidSignatureException",
			mutate: func(r *http.Request) { r.URL.RawQuery = "Action=Other" }},
		{name: "another host", cred: root, code: "InvalidSignatureException",
			mutate: func(r *http.Request) { r.Host = "evil.example" }},
		{name: "another operation", cred: root, code: "InvalidSignatureException",
			mutate: func(r *http.Request) { r.Header.Set("X-Amz-Target", "AmazonSQS.DeleteQueue") }},
		{name: "a planted x-amz header", cred: root, code: "IncompleteSignatureException",
			mutate: func(r *http.Request) { r.Header.Set("X-Amz-Extra", "1") }},
		{name: "no signature at all", cred: root, code: "MissingAuthenticationTokenException",
			mutate: func(r *http.Request) { r.Header.Del("Authorization") }},
		{name: "two signatures", cred: root, code: "IncompleteSignatureException",
			mutate: func(r *http.Request) { r.Header.Add("Authorization", "x") }},
		{name: "another scheme", cred: root, code: "IncompleteSignatureException",
			mutate: func(r *http.Request) { r.Header.Set("Authorization", "Bearer wp_x") }},
		{name: "no date", cred: root, code: "IncompleteSignatureException",
			mutate: func(r *http.Request) { r.Header.Del("X-Amz-Date") }},
		{name: "an unsigned payload", cred: root, code: "InvalidSignatureException",
			mutate: func(r *http.Request) {
				r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
				resign(r, "host;x-amz-content-sha256;x-amz-date;x-amz-meta-spaces;x-amz-target")
			}},
		{name: "a presigned URL", cred: root, code: "IncompleteSignatureException",
			mutate: func(r *http.Request) { r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0" }},
		{name: "a signature over less than the host", cred: root, code: "IncompleteSignatureException",
			mutate: func(r *http.Request) { resign(r, "x-amz-date;x-amz-meta-spaces;x-amz-target") }},
		{name: "a malformed query", cred: root, code: "IncompleteSignatureException",
			mutate: func(r *http.Request) { r.URL.RawQuery = "a=%zz" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			region, svc := "us-east-1", "sqs"
			if tt.region != "" {
				region = tt.region
			}
			if tt.svc != "" {
				svc = tt.svc
			}
			req := sign(t, tt.cred, "http://sqs.localhost/q", `{"a":1}`, svc, region, now.Add(tt.at))
			if tt.mutate != nil {
				tt.mutate(req)
			}
			a := serve(t, verifier(), "sqs", req)
			if a.status != http.StatusForbidden || a.code != tt.code {
				t.Fatalf("got %d %s, want 403 %s\n%s", a.status, a.code, tt.code, a.body)
			}
			if strings.Contains(a.body, "secret") || a.seen != "" {
				t.Fatalf("an answer that says too much: %s", a.body)
			}
		})
	}
}

// resign replaces the list of signed headers and leaves the signature as it was.
func resign(r *http.Request, headers string) {
	auth := r.Header.Get("Authorization")
	before, rest, _ := strings.Cut(auth, "SignedHeaders=")
	_, after, _ := strings.Cut(rest, ",")
	r.Header.Set("Authorization", before+"SignedHeaders="+headers+","+after)
}

// Each single bit of the signature counts, and so does each character of the header.
func TestRefusesEveryMutationOfTheAuthorizationHeader(t *testing.T) {
	const target, body = "http://sqs.localhost/q", `{"a":1}`
	auth := sign(t, root, target, body, "sqs", "us-east-1", now).Header.Get("Authorization")
	for i := range len(auth) {
		for _, flip := range []byte{1, 2, 32} {
			mutated := []byte(auth)
			mutated[i] ^= flip
			req := sign(t, root, target, body, "sqs", "us-east-1", now)
			req.Header.Set("Authorization", string(mutated))
			if a := serve(t, verifier(), "sqs", req); a.status == http.StatusOK && !bytes.Equal(mutated, []byte(auth)) {
				t.Fatalf("accepted %q with byte %d changed by %d", auth, i, flip)
			}
		}
	}
}

func TestBodyIsBounded(t *testing.T) {
	v := verifier()
	v.MaxBody = 10
	a := serve(t, v, "sqs", sign(t, root, "http://h/", "12345678901", "sqs", "us-east-1", now))
	if a.status != http.StatusRequestEntityTooLarge {
		t.Fatalf("got %d", a.status)
	}
}

func TestSTSRefusalsAreQueryXML(t *testing.T) {
	req := sign(t, root, "http://h/", "", "sts", "us-east-1", now)
	req.Header.Del("Authorization")
	a := serve(t, verifier(), "sts", req)
	if a.status != http.StatusForbidden || !strings.Contains(a.body, "<Code>MissingAuthenticationToken</Code>") {
		t.Fatalf("got %d %s", a.status, a.body)
	}
}

func TestDynamoDBRefusalsAre400WithAChecksum(t *testing.T) {
	req := sign(t, root, "http://h/", "{}", "dynamodb", "us-east-1", now)
	req.Header.Del("Authorization")
	w := httptest.NewRecorder()
	verifier().Middleware("dynamodb", http.NotFoundHandler()).ServeHTTP(w, req)
	sum := strconv.FormatUint(uint64(crc32.ChecksumIEEE(w.Body.Bytes())), 10)
	if w.Code != http.StatusBadRequest || w.Header().Get("X-Amz-Crc32") != sum || w.Header().Get("X-Amzn-Requestid") == "" {
		t.Fatalf("got %d %v", w.Code, w.Header())
	}
}

func TestAnyRegionIsAcceptedOnlyWhenAskedFor(t *testing.T) {
	v := verifier()
	v.AnyRegion = true
	if a := serve(t, v, "sqs", sign(t, root, "http://h/", "{}", "sqs", "ap-southeast-2", now)); a.status != http.StatusOK {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	stranger := root
	stranger.Secret = "another"
	if a := serve(t, v, "sqs", sign(t, stranger, "http://h/", "{}", "sqs", "ap-southeast-2", now)); a.status != http.StatusForbidden {
		t.Fatalf("got %d %s", a.status, a.body)
	}
}

func FuzzAuthorizationHeader(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=AKIAROOT/20261124/us-east-1/sqs/aws4_request, SignedHeaders=host;x-amz-date, Signature=00")
	f.Fuzz(func(t *testing.T, header string) {
		req := httptest.NewRequest(http.MethodPost, "http://h/", strings.NewReader("{}"))
		req.Header["Authorization"] = []string{header}
		req.Header.Set("X-Amz-Date", "20261124T120000Z")
		if a := serve(t, verifier(), "sqs", req); a.status == http.StatusOK {
			t.Fatalf("accepted %q", header)
		}
	})
}
