package table

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Key is an item's primary key. Names in keys are validated before (package api/validate allows no '#' in them), so that
// keys need no escaping; labels, which may hold anything, appear hashed.
type Key struct{ PK, SK string }

func (k Key) String() string { return k.PK + "/" + k.SK }

func (k Key) item() Item {
	return Item{attrPK: &types.AttributeValueMemberS{Value: k.PK}, attrSK: &types.AttributeValueMemberS{Value: k.SK}}
}

// KeyOf is an item's key.
func KeyOf(item Item) Key { return Key{str(item, attrPK), str(item, attrSK)} }

// seq makes a number sort as text.
func seq(n int64) string { return fmt.Sprintf("%012d", n) }

// sortTime makes a time sort as text (milliseconds).
func sortTime(t time.Time) string { return fmt.Sprintf("%014d", t.UnixMilli()) }

// Projects, their apps and workspaces.

func ProjectMeta(project string) Key     { return Key{ProjectPK(project), "META"} }
func App(project, app string) Key        { return Key{ProjectPK(project), AppPrefix + app} }
func Workspace(project, name string) Key { return Key{ProjectPK(project), WorkspacePrefix + name} }
func ProjectPK(project string) string    { return "P#" + project }

// Prefixes of the sort keys under ProjectPK; ProjectsIndex is Index1's list of projects by name.
const (
	AppPrefix       = "A#"
	WorkspacePrefix = "W#"
	ProjectsIndex   = "PROJECTS"
)

// Records of an app: builds "B", artifacts "X", deployments "D", releases "R".

func AppPK(project, app string) string      { return "A#" + project + "#" + app }
func Counter(project, app, kind string) Key { return Key{AppPK(project, app), "SEQ#" + kind} }
func Latest(project, app, workspace, kind string) Key {
	return Key{AppPK(project, app), "LATEST#" + workspace + "#" + kind}
}
func Record(project, app, kind string, n int64) Key {
	return Key{AppPK(project, app), kind + "#" + seq(n)}
}
func RecordPrefix(kind string) string { return kind + "#" }
func RecordsIndex(project, app, workspace, kind string) string {
	return AppPK(project, app) + "#" + workspace + "#" + kind
}
func RecordSort(n int64) string { return seq(n) }

// RecordIDIndex is Index2's entry of a record by id; the sort key is RecordIDSort.
func RecordIDIndex(id string) string { return "RECORD#" + id }

// RecordIDSort is the sort key of a record's entry by id.
const RecordIDSort = "R"

// Status reports and instances of a deployment.

func DeploymentPK(id string) string { return "D#" + id }
func StatusReport(deployment string, at time.Time) Key {
	return Key{DeploymentPK(deployment), StatusPrefix + sortTime(at)}
}
func Instance(deployment, instance string) Key {
	return Key{DeploymentPK(deployment), InstancePrefix + instance}
}

// Prefixes of the sort keys under DeploymentPK.
const (
	StatusPrefix   = "S#"
	InstancePrefix = "I#"
)

// Jobs.

func JobPK(id string) string                { return "J#" + id }
func JobMeta(id string) Key                 { return Key{JobPK(id), "META"} }
func JobBody(id string) Key                 { return Key{JobPK(id), "BODY"} }
func JobLease(id string) Key                { return Key{JobPK(id), "LEASE"} }
func JobReport(id string) Key               { return Key{JobPK(id), "REPORT"} }
func JobResult(id string) Key               { return Key{JobPK(id), "RESULT"} }
func JobBodyPart(id string, n int64) Key    { return Key{JobPK(id), "BODY#" + seq(n)} }
func JobOutput(id string, n int64) Key      { return Key{JobPK(id), OutputPrefix + seq(n)} }
func JobStep(id, name string) Key           { return Key{JobPK(id), StepPrefix + name} }
func JobDependent(id, dependent string) Key { return Key{JobPK(id), DependentPrefix + dependent} }
func JobsIndex(project string) string       { return "JOBS#" + project }

// Prefixes of the sort keys under JobPK.
const (
	OutputPrefix    = "O#"
	StepPrefix      = "STEP#"
	DependentPrefix = "DEP#"
)

// WorkShards is how many partitions of Index2 the owed work is spread over.
const WorkShards = 4

func WorkIndex(shard int) string { return fmt.Sprintf("WORK#%d", shard) }

// Lanes and singletons.

func LanePK(project, app, workspace string) string {
	return "L#" + project + "#" + app + "#" + workspace
}
func Lane(pk string) Key                     { return Key{pk, "LANE"} }
func LaneWaiter(pk string, ticket int64) Key { return Key{pk, WaiterPrefix + seq(ticket)} }

// WaiterPrefix is the prefix of a lane's waiters, in the order of their tickets.
const WaiterPrefix = "Q#"

// Singleton is the item that names a singleton's queued job; hash is of the project and the singleton id, which may hold any characters.
func Singleton(hash string) Key { return Key{"SINGLETON#" + hash, "META"} }

// Runners and their pools. pool is the pool's name: a hash of its labels.

func PoolPK(pool string) string   { return "POOL#" + pool }
func Pool(pool string) Key        { return Key{PoolsPK, pool} }
func PoolWork(pool string) string { return PoolPK(pool) + "#READY" }
func Runner(id string) Key        { return Key{"R#" + id, "META"} }
func Profile(name string) Key     { return Key{"PROFILE#" + name, "META"} }

// All pools stand in one partition, so that routing reads them with one query. RunnersIndex is Index1's list of all
// runners by name; a pool's runners stand in Index2 under PoolPK.
const (
	PoolsPK      = "POOLS"
	RunnersIndex = "RUNNERS"
)

// Configuration: of a project, or of the server when project is empty.

func ConfigPK(project string) string   { return "C#" + project }
func Config(project, scope string) Key { return Key{ConfigPK(project), scope} }
func ConfigVersion(project string) Key { return Key{ConfigPK(project), "VERSION"} }

// Tokens, by the hex SHA-256 of the token; users.

func Token(sha256hex string) Key    { return Key{"T#" + sha256hex, "META"} }
func User(id string) Key            { return Key{"U#" + id, "META"} }
func TokenIDIndex(id string) string { return "TOKEN#" + id }

// Index1's lists of tokens (by creation) and users (by name).
const (
	TokensIndex = "TOKENS"
	UsersIndex  = "USERS"
)

// Logs of a deployment, spread over shards.

func LogPK(deployment string, shard int) string { return fmt.Sprintf("LOG#%s#%d", deployment, shard) }
func LogBatch(deployment string, shard int, instance string, n int64) Key {
	return Key{LogPK(deployment, shard), instance + "#" + seq(n)}
}

// Idempotency is the record of a principal's idempotency key for a method.
func Idempotency(principal, method, key string) Key {
	return Key{"IDEM#" + principal, method + "#" + key}
}

// Audit is one audit record; the project is empty for what concerns the server.
func Audit(project, id string) Key { return Key{"AUDIT#" + project, id} }

// AuditIndex is Index1's list of all audit records.
const AuditIndex = "AUDIT"

// Connection is an entrypoint's socket.
func Connection(id string) Key { return Key{"CONN#" + id, "META"} }

// SweepState is where the sweep keeps what it must remember between two runs.
func SweepState() Key { return Key{"SWEEP", "META"} }
