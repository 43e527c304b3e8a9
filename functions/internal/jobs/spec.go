package jobs

import (
	"context"
	"fmt"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/projects"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// bodyItem holds what was asked for: the specification without secrets, deflated, and the secrets sealed. Bytes beyond
// what one item may hold stand in parts of their own.
type bodyItem struct {
	Spec    []byte `dynamodbav:"spec"`
	Secrets []byte `dynamodbav:"secrets,omitempty"`
	// Parts is how many further items continue Spec.
	Parts int64 `dynamodbav:"parts,omitempty"`
}

type partItem struct {
	Data []byte `dynamodbav:"data"`
}

// partMost keeps items far under DynamoDB's 400 KB.
const partMost = 300 << 10

func aad(id string) string { return "J#" + id + "/BODY" }

// encodeBody makes the body of a job and its further parts.
func encodeBody(ctx context.Context, db *store.DB, sealer store.Sealer, id string, spec *waypointv1.JobSpec) (bodyItem, []store.Action, error) {
	public, secrets := splitSpec(spec)
	var b bodyItem
	if secrets != nil {
		plain, err := proto.Marshal(secrets)
		if err != nil {
			return b, nil, fmt.Errorf("storing the job's secrets: %w", err)
		}
		if b.Secrets, err = sealer.Seal(ctx, aad(id), plain); err != nil {
			return b, nil, fmt.Errorf("sealing the job's secrets: %w", err)
		}
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(public)
	if err != nil {
		return b, nil, fmt.Errorf("storing the job: %w", err)
	}
	packed, err := db.Pack(raw)
	if err != nil {
		return b, nil, err
	}
	b.Spec = packed[:min(len(packed), max(partMost-len(b.Secrets), 0))]
	var parts []store.Action
	for rest := packed[len(b.Spec):]; len(rest) > 0; {
		n := min(len(rest), partMost)
		b.Parts++
		parts = append(parts, store.Put(store.JobBodyPart(id, b.Parts), partItem{Data: rest[:n]}))
		rest = rest[n:]
	}
	return b, parts, nil
}

// decodeBody reads a job's specification, without secrets; the bytes of secrets stay sealed.
func decodeBody(ctx context.Context, db *store.DB, id string, item store.Item) (*waypointv1.JobSpec, []byte, error) {
	var b bodyItem
	if err := store.Decode(item, &b); err != nil {
		return nil, nil, fmt.Errorf("reading job %s: %w", id, err)
	}
	packed := b.Spec
	if b.Parts > 0 {
		var keys []store.Key
		for n := int64(1); n <= b.Parts; n++ {
			keys = append(keys, store.JobBodyPart(id, n))
		}
		found, err := db.BatchGet(ctx, keys, true)
		if err != nil {
			return nil, nil, err
		}
		packed = append([]byte(nil), packed...)
		for _, k := range keys {
			var p partItem
			if err := store.Decode(found[k], &p); err != nil {
				return nil, nil, fmt.Errorf("reading job %s: %w", id, err)
			}
			packed = append(packed, p.Data...)
		}
	}
	raw, err := store.Unpack(packed)
	if err != nil {
		return nil, nil, fmt.Errorf("reading job %s: %w", id, err)
	}
	spec := &waypointv1.JobSpec{}
	if err := proto.Unmarshal(raw, spec); err != nil {
		return nil, nil, fmt.Errorf("reading job %s: %w", id, err)
	}
	return spec, b.Secrets, nil
}

// splitSpec takes the secrets out of a specification: values of sensitive variables, and git credentials.
func splitSpec(spec *waypointv1.JobSpec) (public, secrets *waypointv1.JobSpec) {
	public = proto.CloneOf(spec)
	s := &waypointv1.JobSpec{}
	for _, v := range public.GetVariables() {
		if v.GetSensitive() {
			s.Variables = append(s.Variables, proto.CloneOf(v))
			v.Value = ""
		} else {
			s.Variables = append(s.Variables, nil)
		}
	}
	any := false
	for i, v := range s.Variables {
		any = any || v != nil
		if v == nil {
			s.Variables[i] = &waypointv1.Variable{}
		}
	}
	if !any {
		s.Variables = nil
	}
	source, git := projects.SplitSecrets(public.GetDataSource())
	if git != nil {
		public.DataSource = source
		s.DataSource = &waypointv1.DataSource{Source: &waypointv1.DataSource_Git{Git: git}}
	}
	if s.Variables == nil && git == nil {
		return public, nil
	}
	return public, s
}

// joinSpec puts the secrets back, for the claiming runner only.
func joinSpec(ctx context.Context, sealer store.Sealer, id string, public *waypointv1.JobSpec, sealed []byte) error {
	if len(sealed) == 0 {
		return nil
	}
	plain, err := sealer.Open(ctx, aad(id), sealed)
	if err != nil {
		return fmt.Errorf("opening the secrets of job %s: %w", id, err)
	}
	secrets := &waypointv1.JobSpec{}
	if err := proto.Unmarshal(plain, secrets); err != nil {
		return fmt.Errorf("reading the secrets of job %s: %w", id, err)
	}
	for i, v := range secrets.GetVariables() {
		if v.GetSensitive() && i < len(public.GetVariables()) {
			public.Variables[i].Value = v.GetValue()
		}
	}
	if git, target := secrets.GetDataSource().GetGit(), public.GetDataSource().GetGit(); git != nil && target != nil {
		target.Password, target.PrivateKeyPem, target.PrivateKeyPassword = git.GetPassword(), git.GetPrivateKeyPem(), git.GetPrivateKeyPassword()
		if git.GetUsername() != "" { // it stood in the URL
			target.Username = git.GetUsername()
		}
	}
	return nil
}

// PublicSpec is a specification without its secrets.
func PublicSpec(spec *waypointv1.JobSpec) *waypointv1.JobSpec {
	public, _ := splitSpec(spec)
	return public
}

// NotFound is the refusal for a job that is not there.
func NotFound(id string) *fault.Error {
	return fault.New(connect.CodeNotFound, fault.JobNotFound, "there is no job %s", id).
		WithHint("List the jobs of the project: waypoint job list.").WithFact("job_id", id)
}
