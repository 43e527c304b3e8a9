// Package storetest gives tests of the server an installation: a provisioned table, the domains' stores over it, and queues. What
// they run on is handed over by the test (localstack/enginetest), since nothing below functions imports the engines.
package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/waypoint-serverless/waypoint/functions"
	"github.com/waypoint-serverless/waypoint/functions/internal/domains"
	"github.com/waypoint-serverless/waypoint/functions/internal/queue"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Engines are what an installation runs on.
type Engines struct {
	// Config reaches the queues, Tables the table; the table is removed after the test if Remove is set.
	Config, Tables aws.Config
	Remove         bool
	// Name is the installation's; "" makes one.
	Name  string
	Clock func() time.Time
}

// World is one installation.
type World struct {
	domains.Stores
	Queues *queue.Queues
	SQS    *awssqs.Client
	// Config reaches the engines.
	Config aws.Config
	// Spec is what was provisioned.
	Spec functions.ResourceSpec
}

// New provisions an installation.
func New(t testing.TB, e Engines) *World {
	t.Helper()
	if e.Name == "" {
		e.Name = "waypoint-" + suffix(t)
	}
	w := &World{Config: e.Config, Spec: functions.Resources(e.Name)}
	if e.Remove {
		t.Cleanup(func() { remove(t, awsdynamodb.NewFromConfig(e.Tables), w.Spec.Table.Name) })
	}
	if err := functions.Provision(context.Background(), e.Tables, w.Spec); err != nil {
		t.Fatal(err)
	}
	w.Stores = domains.Over(store.New(awsdynamodb.NewFromConfig(e.Tables), w.Spec.Table.Name, e.Clock, rand.Reader))
	w.SQS = awssqs.NewFromConfig(w.Config)
	w.Queues = queue.New(w.SQS, awssts.NewFromConfig(w.Config),
		queue.Options{Prefix: w.Spec.QueuePrefix, Attributes: w.Spec.QueueAttributes, Region: "us-east-1"})
	return w
}

// remove deletes a test's table, which is protected from that. A table that stays costs nobody anything but order.
func remove(t testing.TB, db *awsdynamodb.Client, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := db.UpdateTable(ctx, &awsdynamodb.UpdateTableInput{TableName: &name, DeletionProtectionEnabled: aws.Bool(false)}); err != nil {
		t.Logf("the table %s stays: %v", name, err)
		return
	}
	if _, err := db.DeleteTable(ctx, &awsdynamodb.DeleteTableInput{TableName: &name}); err != nil {
		t.Logf("the table %s stays: %v", name, err)
	}
}

func suffix(t testing.TB) string {
	t.Helper()
	var b [6]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", b)
}

// ID makes a ULID.
func (w *World) ID(t testing.TB) string {
	t.Helper()
	id, err := w.DB.NewID()
	if err != nil {
		t.Fatal(err)
	}
	return id
}
