package store

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
	return Item{AttrPK: &types.AttributeValueMemberS{Value: k.PK}, AttrSK: &types.AttributeValueMemberS{Value: k.SK}}
}

// KeyOf is an item's key.
func KeyOf(item Item) Key { return Key{StringOf(item, AttrPK), StringOf(item, AttrSK)} }

// seq makes a number sort as text.
func seq(n int64) string { return fmt.Sprintf("%012d", n) }

// SortTime makes a time sort as text (milliseconds).
func SortTime(t time.Time) string { return fmt.Sprintf("%014d", t.UnixMilli()) }

// Projects, their apps and workspaces.

// ProjectMeta is a project.
func ProjectMeta(project string) Key { return Key{ProjectPK(project), "META"} }

// App is an app of a project.
func App(project, app string) Key { return Key{ProjectPK(project), AppPrefix + app} }

// Workspace is a workspace that a project has used.
func Workspace(project, name string) Key { return Key{ProjectPK(project), WorkspacePrefix + name} }

// ProjectPK is the partition of a project, its apps and workspaces.
func ProjectPK(project string) string { return "P#" + project }

// Prefixes of the sort keys under ProjectPK; ProjectsIndex is Index1's list of projects by name.
const (
	AppPrefix       = "A#"
	WorkspacePrefix = "W#"
	ProjectsIndex   = "PROJECTS"
)

// Records of an app: builds "B", artifacts "X", deployments "D", releases "R".

// AppPK is the partition of an app's records, counters and latest records.
func AppPK(project, app string) string { return "A#" + project + "#" + app }

// Counter counts an app's records of a kind.
func Counter(project, app, kind string) Key { return Key{AppPK(project, app), "SEQ#" + kind} }

// Latest names the latest record of a kind in a workspace.
func Latest(project, app, workspace, kind string) Key {
	return Key{AppPK(project, app), "LATEST#" + workspace + "#" + kind}
}

// Record is one record.
func Record(project, app, kind string, n int64) Key {
	return Key{AppPK(project, app), kind + "#" + seq(n)}
}

// RecordPrefix is the prefix of an app's records of a kind.
func RecordPrefix(kind string) string { return kind + "#" }

// RecordsIndex is Index1's list of an app's records of a kind in a workspace, by number.
func RecordsIndex(project, app, workspace, kind string) string {
	return AppPK(project, app) + "#" + workspace + "#" + kind
}

// RecordSort is a record's place in RecordsIndex.
func RecordSort(n int64) string { return seq(n) }

func livingPrefix(workspace, kind string) string { return "LIVE#" + workspace + "#" + kind + "#" }

// LivingRange bounds the sort keys of the entries of a workspace's deployments or releases that were not destroyed.
func LivingRange(workspace, kind string) (from, to string) {
	return livingPrefix(workspace, kind) + "0", livingPrefix(workspace, kind) + ":" // which comes after the digits
}

// Living is the entry of one that was not destroyed.
func Living(project, app, workspace, kind string, n int64) Key {
	return Key{AppPK(project, app), livingPrefix(workspace, kind) + seq(n)}
}

// LivingComplete stands beside the entries if all that live have one.
func LivingComplete(project, app, workspace, kind string) Key {
	return Key{AppPK(project, app), livingPrefix(workspace, kind) + "COMPLETE"}
}

// RecordIDIndex is Index2's entry of a record by id; the sort key is RecordIDSort.
func RecordIDIndex(id string) string { return "RECORD#" + id }

// RecordIDSort is the sort key of a record's entry by id.
const RecordIDSort = "R"

// Status reports and instances of a deployment.

// DeploymentPK is the partition of a deployment's status reports and instances.
func DeploymentPK(id string) string { return "D#" + id }

// StatusReport is one status report.
func StatusReport(deployment string, at time.Time) Key {
	return Key{DeploymentPK(deployment), StatusPrefix + SortTime(at)}
}

// Instance is one instance (entrypoint) of a deployment.
func Instance(deployment, instance string) Key {
	return Key{DeploymentPK(deployment), InstancePrefix + instance}
}

// InstanceSeen is an instance's word that it runs, in a list by time.
func InstanceSeen(deployment, instance string, at time.Time) Key {
	return Key{DeploymentPK(deployment), SeenPrefix + SortTime(at) + "#" + instance}
}

// Tailed tells a deployment's entrypoints that somebody reads their logs.
func Tailed(deployment string) Key { return Key{DeploymentPK(deployment), "TAILED"} }

// Prefixes of the sort keys under DeploymentPK.
const (
	StatusPrefix   = "S#"
	InstancePrefix = "I#"
	SeenPrefix     = "SEEN#"
)

// Jobs.

// JobPK is the partition of everything about a job.
func JobPK(id string) string { return "J#" + id }

// JobMeta is a job's state.
func JobMeta(id string) Key { return Key{JobPK(id), "META"} }

// JobBody is what was asked for.
func JobBody(id string) Key { return Key{JobPK(id), "BODY"} }

// JobLease is the current attempt's right to write.
func JobLease(id string) Key { return Key{JobPK(id), "LEASE"} }

// JobReport is what the job resolved: source and variables.
func JobReport(id string) Key { return Key{JobPK(id), "REPORT"} }

// JobResult is what the job left.
func JobResult(id string) Key { return Key{JobPK(id), "RESULT"} }

// JobBodyPart continues a large body.
func JobBodyPart(id string, n int64) Key { return Key{JobPK(id), "BODY#" + seq(n)} }

// JobOutput is the batch of output at a position.
func JobOutput(id string, n int64) Key { return Key{JobPK(id), OutputPrefix + seq(n)} }

// JobStep is a step that was begun.
func JobStep(id, name string) Key { return Key{JobPK(id), StepPrefix + name} }

// JobDependent says that dependent waits for the job.
func JobDependent(id, dependent string) Key { return Key{JobPK(id), DependentPrefix + dependent} }

// JobsIndex is Index1's list of a project's jobs, by id.
func JobsIndex(project string) string { return "JOBS#" + project }

// Prefixes of the sort keys under JobPK.
const (
	OutputPrefix    = "O#"
	StepPrefix      = "STEP#"
	DependentPrefix = "DEP#"
)

// WorkIndex is Index2's list of jobs to which something is owed, by due time, but for the READY ones (see PoolWork). It is
// one partition, which takes 1,000 writes a second, as many as one pool's READY jobs: a job costs either two. Each further
// partition would cost the idle sweep a read a minute.
const WorkIndex = "WORK#0"

// Lanes and singletons.

// LanePK is the partition of a lane and its waiting list.
func LanePK(project, app, workspace string) string {
	return "L#" + project + "#" + app + "#" + workspace
}

// Lane is the lane itself; pk is LanePK's.
func Lane(pk string) Key { return Key{pk, "LANE"} }

// LaneWaiter is a place in the waiting list.
func LaneWaiter(pk string, ticket int64) Key { return Key{pk, WaiterPrefix + seq(ticket)} }

// WaiterPrefix is the prefix of a lane's waiters, in the order of their tickets.
const WaiterPrefix = "Q#"

// Singleton is the item that names a singleton's queued job; hash is of the project and the singleton id, which may hold any characters.
func Singleton(hash string) Key { return Key{"SINGLETON#" + hash, "META"} }

// Runners and their pools. pool is the pool's name: a hash of its labels.

// PoolPK is the partition, in Index2, of a pool's runners.
func PoolPK(pool string) string { return "POOL#" + pool }

// Pool is a pool.
func Pool(pool string) Key { return Key{PoolsPK, pool} }

// PoolWork is Index2's list of the READY jobs that are announced in a pool, by due time; "" is for those that no pool fits.
func PoolWork(pool string) string { return PoolPK(pool) + "#READY" }

// NamedPrefix is the prefix of the sort keys, under PoolWork(""), of the READY jobs that name one runner. It sorts before
// every time.
func NamedPrefix(runner string) string { return NamedMark + runner + "#" }

// NamedMark sorts before digits.
const NamedMark = "!"

// PoolSort is a runner's place among its pool's: by the hour in which it was last seen, so that whoever looks for those that
// live passes over the others, and so that the entry is written once an hour and not with each heartbeat.
func PoolSort(id string, seen time.Time) string { return SortTime(seen.Truncate(time.Hour)) + "#" + id }

// Runner is a registered runner.
func Runner(id string) Key { return Key{"R#" + id, "META"} }

// Profile is a profile of on-demand runners.
func Profile(name string) Key { return Key{"PROFILE#" + name, "META"} }

// All pools stand in one partition, so that routing reads them with one query. RunnersIndex is Index1's list of all
// runners by name; a pool's runners stand in Index2 under PoolPK.
const (
	PoolsPK      = "POOLS"
	RunnersIndex = "RUNNERS"
)

// Configuration: of a project, or of the server when project is empty.

// ConfigPK is the partition of a project's configuration.
func ConfigPK(project string) string { return "C#" + project }

// Config is one variable in one scope.
func Config(project, scope string) Key { return Key{ConfigPK(project), scope} }

// ConfigVersion counts the changes of a project's configuration.
func ConfigVersion(project string) Key { return Key{ConfigPK(project), "VERSION"} }

// Tokens, by the hex SHA-256 of the token; users.

// Token is a token.
func Token(sha256hex string) Key { return Key{"T#" + sha256hex, "META"} }

// Identity is a signature of an identity of AWS that was used, by the hex SHA-256 of it.
func Identity(sha256hex string) Key { return Key{"IDENTITY#" + sha256hex, "META"} }

// User is a user.
func User(id string) Key { return Key{"U#" + id, "META"} }

// TokenIDIndex is Index2's entry of a token by id.
func TokenIDIndex(id string) string { return "TOKEN#" + id }

// DeploymentToken names the token that the entrypoints of a deployment have.
func DeploymentToken(deployment string) Key { return Key{DeploymentPK(deployment), "TOKEN"} }

// Index1's lists of tokens (by creation) and users (by name). Entrypoint tokens stand in a list of their own, in which
// there are those of deployments that exist.
const (
	TokensIndex = "TOKENS"
	// EntrypointTokensIndex is the list of entrypoint tokens.
	EntrypointTokensIndex = "TOKENS#ENTRYPOINT"
	UsersIndex            = "USERS"
)

// Logs of a deployment, spread over shards.

// LogPK is one shard of a deployment's logs.
func LogPK(deployment string, shard int) string { return fmt.Sprintf("LOG#%s#%d", deployment, shard) }

// LogBatch is one batch of an instance's log.
func LogBatch(deployment string, shard int, instance string, n int64) Key {
	return Key{LogPK(deployment, shard), instance + "#" + seq(n)}
}

// LogCount is how many bytes of logs an app sent on a day (UTC, "20060102").
func LogCount(project, app, day string) Key { return Key{AppPK(project, app), "LOGS#" + day} }

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
