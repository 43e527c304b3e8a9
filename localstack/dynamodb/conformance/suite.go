package conformance

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// Case is one fact about DynamoDB.
type Case struct {
	Name string
	Run  func(*testing.T, *Env)
}

// Env is what a case works with. Its tables are shared by all cases of a run;
// each case has a partition of its own.
type Env struct {
	Client *dynamodb.Client
	// Prefix of every table's name.
	Prefix string
	// PK is the partition key that belongs to the case.
	PK string
}

// The tables of the suite, less their prefix.
const (
	tableMain   = "main"   // pk S, sk S; indexes all, keys and some
	tableNumber = "number" // pk S, sk N
	tableBinary = "binary" // pk B, sk B
	tableSingle = "single" // pk S
)

// Cases returns all cases; their names are unique.
func Cases() []Case {
	var all []Case
	for _, family := range [][]Case{
		valueCases(), conditionCases(), conditionErrorCases(), updateCases(), updateErrorCases(), returnCases(),
		projectionCases(), queryCases(), filterCases(), indexCases(), scanCases(), batchCases(), transactionCases(),
		capacityCases(), tableCases(), limitCases(), placeholderCases(),
	} {
		all = append(all, family...)
	}
	return all
}

// Run runs the suite on tables whose names begin with prefix. skip names cases
// that the engine under test is known to answer differently, each with its
// reason, which is printed.
func Run(t *testing.T, client *dynamodb.Client, prefix string, skip map[string]string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	setUp(ctx, t, client, prefix)
	seen := map[string]bool{}
	for _, c := range Cases() {
		if seen[c.Name] {
			t.Errorf("two cases are called %q", c.Name)
		}
		seen[c.Name] = true
		t.Run(c.Name, func(t *testing.T) {
			if reason := skip[c.Name]; reason != "" {
				t.Skipf("known difference: %s", reason)
			}
			h := fnv.New64a()
			h.Write([]byte(prefix + c.Name)) // another prefix, other tokens: engines remember them for ten minutes
			c.Run(t, &Env{Client: client, Prefix: prefix, PK: fmt.Sprintf("p%016x", h.Sum64())})
		})
	}
	for name := range skip {
		if !seen[name] {
			t.Errorf("a known difference names no case: %q", name)
		}
	}
}

func (e *Env) table(name string) *string { return aws.String(e.Prefix + name) }

func setUp(ctx context.Context, t *testing.T, client *dynamodb.Client, prefix string) {
	t.Helper()
	attr := func(name string, kind types.ScalarAttributeType) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &name, AttributeType: kind}
	}
	gsi := func(name, hash, sort string, p types.Projection) types.GlobalSecondaryIndex {
		return types.GlobalSecondaryIndex{IndexName: &name, KeySchema: keys(hash, sort), Projection: &p}
	}
	for _, in := range []*dynamodb.CreateTableInput{
		{TableName: aws.String(prefix + tableMain), KeySchema: keys("pk", "sk"),
			AttributeDefinitions: []types.AttributeDefinition{attr("pk", "S"), attr("sk", "S"), attr("g", "S"), attr("gs", "S"), attr("gn", "N")},
			GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
				gsi("all", "g", "gs", types.Projection{ProjectionType: "ALL"}),
				gsi("keys", "g", "gn", types.Projection{ProjectionType: "KEYS_ONLY"}),
				gsi("some", "g", "", types.Projection{ProjectionType: "INCLUDE", NonKeyAttributes: []string{"x"}}),
			}},
		{TableName: aws.String(prefix + tableNumber), KeySchema: keys("pk", "sk"),
			AttributeDefinitions: []types.AttributeDefinition{attr("pk", "S"), attr("sk", "N")}},
		{TableName: aws.String(prefix + tableBinary), KeySchema: keys("pk", "sk"),
			AttributeDefinitions: []types.AttributeDefinition{attr("pk", "B"), attr("sk", "B")}},
		{TableName: aws.String(prefix + tableSingle), KeySchema: keys("pk", ""),
			AttributeDefinitions: []types.AttributeDefinition{attr("pk", "S")}},
	} {
		in.BillingMode = types.BillingModePayPerRequest
		if _, err := client.CreateTable(ctx, in); err != nil {
			t.Fatalf("creating table %s: %v", *in.TableName, err)
		}
		wait := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = 50 * time.Millisecond })
		if err := wait.Wait(ctx, &dynamodb.DescribeTableInput{TableName: in.TableName}, time.Minute); err != nil {
			t.Fatalf("waiting for table %s: %v", *in.TableName, err)
		}
		t.Cleanup(func() {
			_, _ = client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: in.TableName})
		})
	}
}

func keys(hash, sort string) []types.KeySchemaElement {
	k := []types.KeySchemaElement{{AttributeName: &hash, KeyType: types.KeyTypeHash}}
	if sort != "" {
		k = append(k, types.KeySchemaElement{AttributeName: &sort, KeyType: types.KeyTypeRange})
	}
	return k
}

// code is the error's code, "" for none, "(transport)" for no API error.
func code(err error) string {
	if err == nil {
		return ""
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return "(transport) " + err.Error()
}

func wantCode(t *testing.T, err error, want string) {
	t.Helper()
	if got := code(err); got != want {
		t.Fatalf("error code %q, want %q (%v)", got, want, err)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantItem(t *testing.T, got, want item) {
	t.Helper()
	if !same(got, want) {
		t.Fatalf("got  %v\nwant %v", got, want)
	}
}

const (
	invalid   = "ValidationException"
	failed    = "ConditionalCheckFailedException"
	cancelled = "TransactionCanceledException"
	notFound  = "ResourceNotFoundException"
)

// key is the case's key with a sort key of "s".
func (e *Env) key() item { return item{"pk": e.PK, "sk": "s"} }

// put stores an item in the main table under the case's key.
func (e *Env) put(t *testing.T, it item) {
	t.Helper()
	_, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: e.table(tableMain), Item: attributes(e.key().with(it))})
	ok(t, err)
}

// get reads the case's item less its key.
func (e *Env) get(t *testing.T) item {
	t.Helper()
	out, err := e.Client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: e.table(tableMain), Key: attributes(e.key()), ConsistentRead: aws.Bool(true)})
	ok(t, err)
	return plain(out.Item).without("pk", "sk")
}

// expr gives an expression to a pointer, nil for none.
func expr(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
