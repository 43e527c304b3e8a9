package infra

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"golang.org/x/mod/semver"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/infra/receipt"
	"github.com/waypoint-serverless/waypoint/infra/template"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/release/pack"
)

// Result of an installation or upgrade.
type Result struct {
	Identity Identity
	// Address of the API, for clients.
	Address string
	// Token is the admin token, if one was asked for.
	Token             string
	ServerID, Version string
	// Parameters that the stack has, and the receipt of it.
	Parameters map[string]string
	Receipt    *receipt.Receipt
	// Changed is false if everything was in place.
	Changed bool
}

// Install installs the server, or completes what an interrupted run began, or brings an installation to this
// version. It ends when the API answers; everything it waits for is bounded (30 minutes for the stack).
func Install(ctx context.Context, o Options) (*Result, error) { return install(ctx, o, "install") }

// Upgrade is Install for an installation that must be there.
func Upgrade(ctx context.Context, o Options) (*Result, error) { return install(ctx, o, "upgrade") }

func install(ctx context.Context, o Options, operation string) (r *Result, err error) {
	if o.Code == nil || o.Version == "" {
		return nil, errors.New("installing requires the functions' code and its version")
	}
	i, err := begin(ctx, o)
	if err != nil {
		return nil, err
	}
	defer i.close()
	defer func() { err = i.unfinished(err) }()
	if err := i.rightClock(); err != nil {
		return nil, err
	}
	i.say("look", "Reading the current state")
	s, removed, err := i.settle(ctx)
	if err != nil {
		return nil, err
	}
	before := s // what the parameters and tags are taken from
	switch {
	case s != nil && !blank(s):
		operation = "upgrade"
	case removed != nil && (operation == "upgrade" || len(removed.Outputs) > 0):
		i.note("stack", "The stack is created again, with its previous parameters")
		operation, before = "install", removed
	case operation == "upgrade":
		return nil, i.notInstalled()
	}
	params, archive, table, err := i.prepare(ctx, s, before)
	if err != nil {
		return nil, err
	}
	if s != nil {
		if err := i.dropChangeSets(ctx); err != nil {
			return nil, err
		}
	}
	i.say("change-set", "Creating a change set to find what would change")
	set, err := i.propose(ctx, s, before, params)
	if err != nil {
		return nil, err
	}
	if set != nil {
		if err := i.decide(ctx, operation, set, params); err != nil {
			return nil, err
		}
	}
	i.begun = set != nil || removed != nil
	// What stands beside the stack is looked after even if the stack is as it should be.
	if params[template.ParamKMSKeyArn] == "" {
		if err := i.ensureKey(ctx, table); err != nil {
			return nil, err
		}
	}
	if err := i.ensureBucket(ctx); err != nil {
		return nil, err
	}
	if err := i.upload(ctx, params[template.ParamCodeKey], archive); err != nil {
		return nil, err
	}
	if set != nil {
		if err := i.change(ctx, s, set); err != nil {
			return nil, err
		}
	}
	return i.finish(ctx, params, set != nil)
}

func (i *installer) notInstalled() error {
	return fault.New(connect.CodeNotFound, NotInstalled, "no installation %s in account %s, region %s", i.Name, i.id.Account, i.id.Region).
		WithHint("Check --name and the region, or run %s.", i.Command("install"))
}

// abandonWithin bounds how long a change set is taken back.
const abandonWithin = 30 * time.Second

// decide shows the change set; if it is declined, it is taken back.
func (i *installer) decide(ctx context.Context, operation string, set *changeSet, params map[string]string) error {
	plan := Plan{Operation: operation, Changes: set.changes, Parameters: params}
	bucket, err := i.bucketExists(ctx)
	if err != nil {
		return err
	}
	if !bucket {
		plan.Beside = append(plan.Beside, "the bucket "+i.names.bucket+", private, with the functions' code")
	}
	if params[template.ParamKMSKeyArn] == "" {
		key, err := i.keyExists(ctx)
		if err != nil {
			return err
		}
		if !key {
			plan.Beside = append(plan.Beside, "the encryption key "+i.names.key+", a SecureString of Parameter Store")
		}
	}
	if plan.Receipt, err = receipt.For(params, i.id.Account, i.id.Region); err != nil {
		return err
	}
	if err = i.confirm(plan); err == nil {
		return nil
	}
	i.say("change-set", "Deleting the change set")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonWithin) // also when the command is interrupted
	defer cancel()
	return errors.Join(err, i.abandon(ctx, set))
}

// prepare decides the parameters of the stack s: what before had, what was chosen now, and what follows from the
// account.
func (i *installer) prepare(ctx context.Context, s, before *types.Stack) (params map[string]string, archive []byte, table bool, err error) {
	params, err = i.current(before)
	if err != nil {
		return nil, nil, false, err
	}
	if err := i.refuseDowngrade(before, params[template.ParamVersion]); err != nil {
		return nil, nil, false, err
	}
	if before != nil && !blank(before) {
		if want, given := i.Parameters[template.ParamKMSKeyArn]; given && want != params[template.ParamKMSKeyArn] {
			return nil, nil, false, fault.New(connect.CodeFailedPrecondition, ParameterRefused,
				"the encryption key of an installation cannot be changed: existing secrets could no longer be decrypted").
				WithHint("Omit %s, or install under another name.", template.ParamKMSKeyArn)
		}
	}
	maps.Copy(params, i.Parameters)
	found, err := i.lastingTable(ctx)
	if err != nil {
		return nil, nil, false, err
	}
	i.decideTable(s, params, found != nil)
	if err := i.decideConcurrency(ctx, params, i.Parameters); err != nil {
		return nil, nil, false, err
	}
	if archive, err = i.Code(params[template.ParamArchitecture]); err != nil {
		return nil, nil, false, fmt.Errorf("finding the functions' code for %s: %w", params[template.ParamArchitecture], err)
	}
	if err := pack.Check(archive); err != nil {
		return nil, nil, false, err
	}
	params[template.ParamVersion] = i.Version
	params[template.ParamCodeBucket] = i.names.bucket
	params[template.ParamCodeKey] = pack.Key(archive)
	return params, archive, found != nil, nil
}

// current are the template's defaults, and over them what the stack has. A server id is made if it has none.
func (i *installer) current(s *types.Stack) (map[string]string, error) {
	params := map[string]string{}
	for name, v := range template.Defaults() {
		params[name] = fmt.Sprint(v)
	}
	if s != nil && !blank(s) {
		for _, p := range s.Parameters {
			name := aws.ToString(p.ParameterKey)
			if _, known := params[name]; known || name == template.ParamServerID || name == template.ParamVersion {
				params[name] = aws.ToString(p.ParameterValue)
			}
		}
	}
	params[template.ParamNamePrefix] = i.Name
	if params[template.ParamServerID] == "" {
		raw := make([]byte, 16)
		if _, err := io.ReadFull(i.Rand, raw); err != nil {
			return nil, fmt.Errorf("making the server's id: %w", err)
		}
		params[template.ParamServerID] = hex.EncodeToString(raw)
	}
	return params, nil
}

// decideTable: a table that is there although no stack has it was left by an earlier installation, and is adopted.
func (i *installer) decideTable(s *types.Stack, params map[string]string, found bool) {
	if s != nil && !blank(s) {
		return // the stack knows whether it made its table
	}
	params[template.ParamTableOrigin] = template.TableNew
	if found {
		params[template.ParamTableOrigin] = template.TableAdopted
		i.note("table", "Using the table "+i.names.table+" of an earlier installation, with its data")
	}
}

// refuseDowngrade compares releases; development versions compare with nothing.
func (i *installer) refuseDowngrade(s *types.Stack, installed string) error {
	have, want := "v"+strings.TrimPrefix(installed, "v"), "v"+strings.TrimPrefix(i.Version, "v")
	if s == nil || !semver.IsValid(have) || !semver.IsValid(want) || semver.Compare(have, want) <= 0 {
		return nil
	}
	return fault.New(connect.CodeFailedPrecondition, NewerInstalled, "the installation %s has version %s; this CLI is %s", i.Name, installed, i.Version).
		WithHint("Install Waypoint %s or newer on this machine.", installed)
}

// finish reads the stack's outputs, sees that the API answers, and makes the token.
func (i *installer) finish(ctx context.Context, params map[string]string, changed bool) (*Result, error) {
	s, err := i.describeStack(ctx, i.names.stack)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, i.notInstalled()
	}
	out := outputsOf(s)
	r := &Result{Identity: i.id, Address: i.address(out), ServerID: out[template.OutputServerID], Version: out[template.OutputVersion],
		Parameters: params, Changed: changed}
	if r.Receipt, err = receipt.For(params, i.id.Account, i.id.Region); err != nil {
		return nil, err
	}
	if err := i.reviveAPI(ctx, out); err != nil {
		return nil, err
	}
	i.say("health", "Waiting for the API at "+r.Address)
	if err := i.health(ctx, r.Address, r.ServerID); err != nil {
		return nil, err
	}
	if i.AdminToken != "" && (i.KeepToken == nil || !i.KeepToken(ctx, r.Address)) {
		i.say("token", "Creating an admin token, by invoking the function "+out[template.OutputAPIFunction])
		if r.Token, err = i.makeToken(ctx, out[template.OutputAPIFunction]); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func outputsOf(s *types.Stack) map[string]string {
	out := map[string]string{}
	for _, o := range s.Outputs {
		out[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	return out
}

// EmulatorAPIs is the path prefix of all APIs in LocalStack, and in emulators that work like it.
const EmulatorAPIs = client.EmulatorAPIs

// address is the stack's, but at an emulator, which serves all APIs at its own address.
func (i *installer) address(out map[string]string) string {
	if endpoint := aws.ToString(i.Config.BaseEndpoint); i.emulated() {
		return strings.TrimSuffix(endpoint, "/") + EmulatorAPIs + out[template.OutputAPIID] + "/" + out[template.OutputAPIStage]
	}
	return out[template.OutputAddress]
}

const (
	// healthWithin is how long a new API may take to answer; its name must spread first.
	healthWithin = time.Minute
	// emulatorHealthWithin is the same of an emulator, which starts a container for a function, and may pull its image.
	emulatorHealthWithin = 3 * time.Minute
)

// health asks the API who it is.
func (i *installer) health(ctx context.Context, address, serverID string) error {
	within := healthWithin
	if i.emulated() {
		within = emulatorHealthWithin
	}
	info, err := serverInfo(ctx, address, i.Version, within, i.emulated())
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("waiting for the API: %w", ctx.Err())
	case err != nil:
		return fault.New(connect.CodeUnavailable, NotHealthy, "the stack exists, but its API at %s does not answer: %v", address, err).
			WithHint("%s", i.silentHint()).WithCause(err)
	case info.GetServerId() != serverID:
		return fault.New(connect.CodeUnavailable, NotHealthy, "the API at %s belongs to another server (%s, not %s)", address, info.GetServerId(), serverID)
	}
	return nil
}

// silentHint says where to look when the API does not answer.
func (i *installer) silentHint() string {
	if i.emulated() {
		return "Check the emulator's log: it runs functions in containers, which require the Docker socket and an image. " + again
	}
	return "Check the logs: `aws logs tail /aws/lambda/" + i.Name + "-api`. " + again
}

func serverInfo(ctx context.Context, address, version string, within time.Duration, insecure bool) (*waypointv1.GetServerInfoResponse, error) {
	c, err := client.New(client.Options{Address: address, Component: "cli", Version: version, MaxRetry: within, Insecure: insecure})
	if err != nil {
		return nil, err
	}
	defer c.CloseIdle()
	res, err := c.Server.GetServerInfo(ctx, connect.NewRequest(&waypointv1.GetServerInfoRequest{}))
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

// makeToken invokes the function directly: the permission to do that means admin, so no endpoint is open before the
// first token exists.
func (i *installer) makeToken(ctx context.Context, function string) (string, error) {
	payload, err := json.Marshal(map[string]string{"waypoint": "create_admin_token", "name": i.AdminToken})
	if err != nil {
		return "", fmt.Errorf("making the admin token: %w", err)
	}
	out, err := i.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, Payload: payload})
	if err != nil {
		return "", i.explain("making the admin token", err)
	}
	var answer struct {
		Token   string `json:"token"`
		Message string `json:"errorMessage"`
	}
	_ = json.Unmarshal(out.Payload, &answer) // what is no JSON holds no token
	if out.FunctionError != nil || out.StatusCode != http.StatusOK || answer.Token == "" {
		return "", fault.New(connect.CodeInternal, TokenNotMade, "the function %s did not create an admin token: %s", function, answer.Message).
			WithHint("Check its logs: `aws logs tail /aws/lambda/%s`. %s", function, again)
	}
	return answer.Token, nil
}
