// Package functions is the server: the Lambda functions that answer the API, hold long reads and sweep.
//
// New assembles their handlers from an AWS configuration; Provision makes the table that they need, and
// Resources says what that is. This package is the server's only face to Go code: its insides stand in
// functions/internal. It imports nothing of cli, runner, entrypoint, infra or localstack, and no SDK of a
// target platform: a test holds the binary to that.
package functions

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/waypoint-serverless/waypoint/api/validate"
	"github.com/waypoint-serverless/waypoint/functions/api"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/domains"
	"github.com/waypoint-serverless/waypoint/functions/internal/event"
	"github.com/waypoint-serverless/waypoint/functions/internal/secret"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Settings say where the server's things are. Exactly one of MasterKey, KeyParameter and KMSKey must be set.
type Settings struct {
	// Prefix names the installation: see Resources.
	Prefix string
	// ServerID is made at installation.
	ServerID string
	// Platform is "local" or "aws".
	Platform string
	Region   string
	// RunnerRoleARN is the role whose keys, cut down to one queue, runners get.
	RunnerRoleARN string
	// RunnerRoles lists who may register runners by an identity of AWS: see awscaller.ParseAllowed. "": nobody.
	RunnerRoles string
	// MasterKey is the encryption key itself, 32 bytes.
	MasterKey []byte
	// KeyParameter is the name of the SSM SecureString that holds it, as base64.
	KeyParameter string
	// KMSKey is the user's own key: id, ARN or alias.
	KMSKey string
	// TailHold is how long a read of the function `tail` is held at most; 0 means 20 s, less than 0: not at all.
	TailHold time.Duration
	// SweepHold is how long after its beginning a run of the function `sweep` may wait for the moment at which it is decided
	// what becomes of a job whose runner is silent; 0: not at all.
	SweepHold time.Duration
	// AppLogsPerDay is how many bytes of one app's logs are kept of a day; 0: logs.PerDay, less than 0: all.
	AppLogsPerDay int64
	// AppConfigEvery is how often an app's entrypoint asks for its configuration; AppLogsEvery how often at most it sends
	// what the app prints while nobody reads; 0: as is right where each call costs money.
	AppConfigEvery, AppLogsEvery time.Duration
	// OutputEvery is how long a runner waits in the long run between two small appends of a job's output; 0: its default.
	OutputEvery time.Duration
	// Clock and Rand are the system's if nil.
	Clock func() time.Time
	Rand  io.Reader
	// Logger gets one line a request; nil: none.
	Logger *slog.Logger
}

// EnvAppLogsPerDay sets AppLogsPerDay, in bytes; 0: all are kept.
const EnvAppLogsPerDay = "WAYPOINT_APP_LOGS_PER_DAY"

// ParseAppLogsPerDay reads the value of EnvAppLogsPerDay; "" is the default.
func ParseAppLogsPerDay(value string) (int64, error) {
	if value == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("invalid %s %q: give a number of bytes, or 0 for no limit", EnvAppLogsPerDay, value)
	}
	if n == 0 {
		n = -1
	}
	return n, nil
}

// Handler is a Lambda handler (lambda.Handler): one event in, one answer out. It is safe for concurrent use.
type Handler interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// Handlers are the functions.
type Handlers struct {
	// API answers unary requests behind API Gateway, and the direct invocation
	// {"waypoint":"create_admin_token","name":"…"} with {"token":"wp_user_…"}, and {"waypoint":"find_token","token":"…"} with
	// {"known":true} if there is a trace of the token, even a revoked one.
	API Handler
	// Tail answers long reads behind API Gateway.
	Tail Handler
	// Sweep moves what time alone must move; any payload starts one run.
	Sweep Handler
}

// New assembles the functions. It makes no request. cfg's endpoint and HTTP client are used as they are.
func New(cfg aws.Config, s Settings) (*Handlers, error) {
	s, err := s.complete()
	if err != nil {
		return nil, err
	}
	sealer, err := s.sealer(cfg)
	if err != nil {
		return nil, err
	}
	spec := Resources(s.Prefix)
	stores := domains.Over(store.New(dynamodb.NewFromConfig(cfg), spec.Table.Name, s.Clock, s.Rand))
	gate := auth.NewGate(stores.Tokens, s.Clock)
	tokens := &api.Tokens{DB: stores.DB, Tokens: stores.Tokens, Rand: s.Rand, Shared: s.shared()}
	p := parts{Settings: s, cfg: cfg, stores: stores, queues: newQueues(cfg, s, spec), sealer: sealer, tokens: tokens}

	front := func(function string, h http.Handler) http.Handler {
		return observe(function, gate.Middleware(h), s.Clock, s.Logger)
	}
	return &Handlers{
		API:   event.NewHandler(front("api", p.api()), direct(tokens), s.Logger),
		Tail:  event.NewHandler(front("tail", p.tail()), nil, s.Logger),
		Sweep: p.sweep(),
	}, nil
}

func (s Settings) complete() (Settings, error) {
	if s.Prefix == "" {
		return s, errors.New("assembling the functions: the installation's prefix is missing")
	}
	if s.Clock == nil {
		s.Clock = time.Now
	}
	if s.Rand == nil {
		s.Rand = rand.Reader
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	switch most := validate.MaxTailWaitMS * time.Millisecond; {
	case s.TailHold < 0:
		s.TailHold = 0
	case s.TailHold == 0 || s.TailHold > most:
		s.TailHold = most
	}
	return s, nil
}

// shared reports whether the server is not one machine's own: what belongs to one person there belongs to many here.
func (s Settings) shared() bool { return s.Platform != "local" }

func (s Settings) sealer(cfg aws.Config) (*secret.Sealer, error) {
	var source secret.Source
	set := 0
	if len(s.MasterKey) > 0 {
		set++
		var err error
		if source, err = secret.Static(s.MasterKey); err != nil {
			return nil, fmt.Errorf("assembling the functions: %w", err)
		}
	}
	if s.KeyParameter != "" {
		set++
		source = secret.SSM(cfg, s.KeyParameter)
	}
	if s.KMSKey != "" {
		set++
		source = secret.KMS(cfg, s.KMSKey, s.Clock)
	}
	if set != 1 {
		return nil, fmt.Errorf("assembling the functions: one encryption key is needed, %d are set", set)
	}
	return secret.NewSealer(source, s.Rand), nil
}

// direct answers invocations that come from no gateway. Who may make them is decided by AWS
// (lambda:InvokeFunction) or, on one machine, by being in the server's process.
func direct(tokens *api.Tokens) event.Direct {
	return func(ctx context.Context, payload []byte) ([]byte, error) {
		var in struct {
			Waypoint string `json:"waypoint"`
			Name     string `json:"name"`
			Token    string `json:"token"`
		}
		if err := json.Unmarshal(payload, &in); err != nil {
			in.Waypoint = ""
		}
		switch in.Waypoint {
		case "create_admin_token":
			token, err := tokens.CreateAdminToken(ctx, in.Name)
			if err != nil {
				return nil, err
			}
			return json.Marshal(map[string]string{"token": token})
		case "find_token":
			_, known, err := tokens.Tokens.FindToken(ctx, auth.HashOf(in.Token), true)
			if err != nil {
				return nil, err
			}
			return json.Marshal(map[string]bool{"known": known})
		}
		return nil, errors.New("the payload is neither an API Gateway event nor a direct invocation that is known")
	}
}
