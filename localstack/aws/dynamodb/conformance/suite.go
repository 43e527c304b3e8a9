package conformance

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/waypoint-serverless/waypoint/localstack/aws/suite"
)

// Case is one fact about DynamoDB.
type Case struct {
	Name string
	Run  func(suite.T, *Env)
}

// Env is what a case works with. Its tables are shared by all cases of a run;
// each case has a partition of its own.
type Env struct {
	Client *dynamodb.Client
	// Prefix of every table's name.
	Prefix string
	// PK is the partition key that belongs to the case.
	PK string
	// Own is there in own cases only.
	Own *Own
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
		capacityCases(), tableCases(), limitCases(), placeholderCases(), settingsCases(),
	} {
		all = append(all, family...)
	}
	return all
}

// Target is an implementation of DynamoDB.
type Target struct {
	Client *dynamodb.Client
	// Prefix begins the names of the tables. Another one for each run: engines remember tokens for ten minutes.
	Prefix string
	// Own is what only an engine of ours can be told; nil for all others.
	Own *Own
}

// Suite gives the cases for a target. SetUp must have made its tables.
func (target Target) Suite() []suite.Case {
	var all []suite.Case
	add := func(own string, cases []Case) {
		for _, c := range cases {
			all = append(all, suite.Case{Name: c.Name, Own: own, Run: func(t suite.T) {
				h := fnv.New64a()
				h.Write([]byte(target.Prefix + c.Name))
				c.Run(t, &Env{Client: target.Client, Prefix: target.Prefix, PK: fmt.Sprintf("p%016x", h.Sum64()), Own: target.Own})
			}})
		}
	}
	add("", Cases())
	add("it needs a fault on purpose, which only the embedded engine makes", ownCases())
	return all
}

func (e *Env) table(name string) *string { return aws.String(e.Prefix + name) }

// SetUp makes the suite's tables, and gives what removes them.
func (target Target) SetUp(ctx context.Context) (tearDown func(context.Context), err error) {
	client, prefix := target.Client, target.Prefix
	var made []*string
	tearDown = func(ctx context.Context) {
		for _, name := range made {
			_, _ = client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: name}) // whoever cares sees it there
		}
	}
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
			return tearDown, fmt.Errorf("creating table %s: %w", *in.TableName, err)
		}
		made = append(made, in.TableName)
		wait := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = 50 * time.Millisecond })
		if err := wait.Wait(ctx, &dynamodb.DescribeTableInput{TableName: in.TableName}, time.Minute); err != nil {
			return tearDown, fmt.Errorf("waiting for table %s: %w", *in.TableName, err)
		}
	}
	return tearDown, nil
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

func wantCode(t suite.T, err error, want string) {
	t.Helper()
	if got := code(err); got != want {
		t.Fatalf("error code %q, want %q (%v)", got, want, err)
	}
}

func ok(t suite.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantItem(t suite.T, got, want item) {
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
func (e *Env) put(t suite.T, it item) {
	t.Helper()
	_, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: e.table(tableMain), Item: attributes(e.key().with(it))})
	ok(t, err)
}

// get reads the case's item less its key.
func (e *Env) get(t suite.T) item {
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
