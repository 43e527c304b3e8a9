package secret

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

func sealer(t *testing.T, fill byte) *Sealer {
	t.Helper()
	source, err := Static(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return NewSealer(source, rand.Reader)
}

func TestSealedValuesOpenInTheirItemOnly(t *testing.T) {
	s := sealer(t, 1)
	for _, plain := range [][]byte{{}, []byte("x"), bytes.Repeat([]byte("secret "), 10_000)} {
		sealed, err := s.Seal(t.Context(), "C#shop/DB", plain)
		if err != nil {
			t.Fatal(err)
		}
		if len(plain) > 1 && bytes.Contains(sealed, plain[:6]) {
			t.Error("the sealed value holds the plain one")
		}
		got, err := s.Open(t.Context(), "C#shop/DB", sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %v", len(plain), err)
		}
		if _, err := s.Open(t.Context(), "C#blog/DB", sealed); !errors.Is(err, ErrSealed) {
			t.Errorf("opened in another item: %v", err)
		}
		if _, err := sealer(t, 2).Open(t.Context(), "C#shop/DB", sealed); !errors.Is(err, ErrSealed) {
			t.Errorf("opened with another key: %v", err)
		}
	}
}

func TestEveryChangedBitIsNoticed(t *testing.T) {
	s := sealer(t, 1)
	sealed, err := s.Seal(t.Context(), "a", []byte("value"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := s.Open(t.Context(), "a", changed); !errors.Is(err, ErrSealed) {
			t.Errorf("byte %d: %v", i, err)
		}
		if _, err := s.Open(t.Context(), "a", sealed[:i]); !errors.Is(err, ErrSealed) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
}

func TestEqualValuesAreSealedDifferently(t *testing.T) {
	s := sealer(t, 1)
	a, _ := s.Seal(t.Context(), "a", []byte("value"))
	b, _ := s.Seal(t.Context(), "a", []byte("value"))
	if bytes.Equal(a, b) {
		t.Error("equal values look equal")
	}
}

func TestStaticRefusesShortKeys(t *testing.T) {
	if _, err := Static(make([]byte, 16)); err == nil {
		t.Error("16 bytes were accepted")
	}
}

// service answers one AWS JSON operation and counts calls.
func service(t *testing.T, answer func(target string, in map[string]any) any) (aws.Config, *atomic.Int32) {
	t.Helper()
	calls := &atomic.Int32{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		raw, _ := io.ReadAll(r.Body)
		if auth := r.Header.Get("Authorization"); !strings.HasPrefix(auth, "AWS4-HMAC-SHA256 Credential=a/") || !strings.Contains(auth, "/eu-west-1/") {
			t.Errorf("signature %q", auth)
		}
		var in map[string]any
		if err := json.Unmarshal(raw, &in); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		out := answer(r.Header.Get("X-Amz-Target"), in)
		if out == nil {
			w.WriteHeader(http.StatusBadRequest)
			out = map[string]string{"__type": "ParameterNotFound"}
		}
		_ = json.NewEncoder(w).Encode(out)
	}))
	t.Cleanup(srv.Close)
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(srv.URL),
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	}, calls
}

func TestSSMParameterIsReadOnceAndLate(t *testing.T) {
	missing := true
	cfg, calls := service(t, func(target string, in map[string]any) any {
		if target != "AmazonSSM.GetParameter" || in["Name"] != "/waypoint/key" || in["WithDecryption"] != true {
			t.Errorf("%s %v", target, in)
		}
		if missing {
			return nil
		}
		return map[string]any{"Parameter": map[string]any{"Value": base64.StdEncoding.EncodeToString(make([]byte, 32))}}
	})
	s := NewSealer(SSM(cfg, "/waypoint/key"), rand.Reader)
	if calls.Load() != 0 {
		t.Error("asked before it was needed")
	}
	if _, err := s.Seal(t.Context(), "a", nil); err == nil {
		t.Fatal("sealed without a key")
	}
	missing = false
	before := calls.Load()
	for range 3 {
		sealed, err := s.Seal(t.Context(), "a", []byte("v"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open(t.Context(), "a", sealed); err != nil {
			t.Fatal(err)
		}
	}
	if got := calls.Load() - before; got != 1 {
		t.Errorf("asked %d times", got)
	}
}

func TestKMSDataKeysAreUsedAgainForAWhile(t *testing.T) {
	var made int
	cfg, calls := service(t, func(target string, in map[string]any) any {
		key := make([]byte, 32)
		switch target {
		case "TrentService.GenerateDataKey":
			made++
			key[0] = byte(made)
		case "TrentService.Decrypt":
			blob, _ := base64.StdEncoding.DecodeString(in["CiphertextBlob"].(string))
			key[0] = blob[len(blob)-1]
		}
		return map[string]any{"KeyId": "k", "Plaintext": key, "CiphertextBlob": append([]byte("wrapped"), key[0])}
	})
	now := time.Unix(1_700_000_000, 0)
	source := KMS(cfg, "alias/waypoint", func() time.Time { return now })
	s := NewSealer(source, rand.Reader)
	var sealed [][]byte
	for i := range 4 {
		v, err := s.Seal(t.Context(), "a", []byte{byte(i)})
		if err != nil {
			t.Fatal(err)
		}
		sealed = append(sealed, v)
		if i == 1 {
			now = now.Add(dataKeyLife)
		}
	}
	if made != 2 {
		t.Errorf("%d data keys", made)
	}
	fresh := NewSealer(KMS(cfg, "alias/waypoint", func() time.Time { return now }), rand.Reader)
	before := calls.Load()
	for i, v := range sealed {
		got, err := fresh.Open(t.Context(), "a", v)
		if err != nil || !bytes.Equal(got, []byte{byte(i)}) {
			t.Errorf("value %d: %v %v", i, got, err)
		}
	}
	if got := calls.Load() - before; got != 2 {
		t.Errorf("%d calls to open 4 values under 2 data keys", got)
	}
}

func TestThrottledCallsAreRepeatedAndRefusedOnesAreNot(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		kind   string
		want   int32
	}{
		"throttled": {http.StatusBadRequest, "ThrottlingException", callTries},
		"failed":    {http.StatusInternalServerError, "InternalServerError", callTries},
		"refused":   {http.StatusBadRequest, "com.amazonaws.ssm#ParameterNotFound", 1},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				w.WriteHeader(tt.status)
				_ = json.NewEncoder(w).Encode(map[string]string{"__type": tt.kind, "message": "secret detail"})
			}))
			defer srv.Close()
			cfg := aws.Config{Region: "eu-west-1", BaseEndpoint: &srv.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}
			_, err := SSM(cfg, "/key").Current(t.Context())
			if err == nil || calls.Load() != tt.want || strings.Contains(err.Error(), "secret") {
				t.Errorf("%d calls, %v", calls.Load(), err)
			}
		})
	}
}

func TestEndpointsFollowThePartition(t *testing.T) {
	for region, want := range map[string]string{
		"eu-west-1": "https://kms.eu-west-1.amazonaws.com/", "cn-north-1": "https://kms.cn-north-1.amazonaws.com.cn/",
	} {
		if got := endpointOf(aws.Config{Region: region}, "kms"); got != want {
			t.Errorf("%s: %s", region, got)
		}
	}
}
