package functions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// tableReady bounds the wait for a new table.
const tableReady = 2 * time.Minute

// Provision makes the table of spec, waits until it can be used (at most two minutes) and turns on its TTL.
// It is idempotent: what is there already is kept, if its keys are those of spec.
func Provision(ctx context.Context, cfg aws.Config, spec ResourceSpec) error {
	db := dynamodb.NewFromConfig(cfg)
	desc, err := describe(ctx, db, spec.Table.Name)
	if err != nil {
		return err
	}
	if desc == nil {
		if _, err := db.CreateTable(ctx, createInput(spec.Table)); err != nil {
			var there *types.ResourceInUseException // somebody else was faster
			if !errors.As(err, &there) {
				return fmt.Errorf("making the table %s: %w", spec.Table.Name, err)
			}
		}
	}
	if desc, err = waitActive(ctx, db, spec.Table.Name); err != nil {
		return err
	}
	if err := sameKeys(desc, spec.Table); err != nil {
		return err
	}
	return enableTTL(ctx, db, spec.Table)
}

// describe is nil without error for a table that is not there.
func describe(ctx context.Context, db *dynamodb.Client, name string) (*types.TableDescription, error) {
	out, err := db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
	var missing *types.ResourceNotFoundException
	switch {
	case errors.As(err, &missing):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("looking at the table %s: %w", name, err)
	}
	return out.Table, nil
}

func waitActive(ctx context.Context, db *dynamodb.Client, name string) (*types.TableDescription, error) {
	ctx, cancel := context.WithTimeout(ctx, tableReady)
	defer cancel()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		desc, err := describe(ctx, db, name)
		if err != nil {
			return nil, err
		}
		if desc != nil && desc.TableStatus == types.TableStatusActive {
			return desc, nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("waiting for the table %s: %w", name, ctx.Err())
		case <-timer.C:
		}
	}
}

func keySchema(pk, sk string) []types.KeySchemaElement {
	return []types.KeySchemaElement{
		{AttributeName: aws.String(pk), KeyType: types.KeyTypeHash},
		{AttributeName: aws.String(sk), KeyType: types.KeyTypeRange},
	}
}

func createInput(spec TableSpec) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{
		TableName: aws.String(spec.Name), BillingMode: types.BillingModePayPerRequest,
		KeySchema: keySchema(spec.PartitionKey, spec.SortKey),
	}
	attributes := []string{spec.PartitionKey, spec.SortKey}
	for _, index := range spec.Indexes {
		attributes = append(attributes, index.PartitionKey, index.SortKey)
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(index.Name), KeySchema: keySchema(index.PartitionKey, index.SortKey),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		})
	}
	for _, name := range attributes {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{
			AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS,
		})
	}
	return in
}

// sameKeys refuses a table of that name that is not ours.
func sameKeys(desc *types.TableDescription, spec TableSpec) error {
	wrong := fmt.Errorf("the table %s exists with other keys: it was not made by this version of Waypoint", spec.Name)
	if !hasKeys(desc.KeySchema, spec.PartitionKey, spec.SortKey) || len(desc.GlobalSecondaryIndexes) != len(spec.Indexes) {
		return wrong
	}
	for _, want := range spec.Indexes {
		found := false
		for _, have := range desc.GlobalSecondaryIndexes {
			found = found || aws.ToString(have.IndexName) == want.Name && hasKeys(have.KeySchema, want.PartitionKey, want.SortKey)
		}
		if !found {
			return wrong
		}
	}
	return nil
}

func hasKeys(schema []types.KeySchemaElement, pk, sk string) bool {
	if len(schema) != 2 {
		return false
	}
	got := map[types.KeyType]string{}
	for _, e := range schema {
		got[e.KeyType] = aws.ToString(e.AttributeName)
	}
	return got[types.KeyTypeHash] == pk && got[types.KeyTypeRange] == sk
}

func enableTTL(ctx context.Context, db *dynamodb.Client, spec TableSpec) error {
	out, err := db.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &spec.Name})
	if err != nil {
		return fmt.Errorf("looking at the time to live of %s: %w", spec.Name, err)
	}
	if d := out.TimeToLiveDescription; d != nil && (d.TimeToLiveStatus == types.TimeToLiveStatusEnabled || d.TimeToLiveStatus == types.TimeToLiveStatusEnabling) {
		return nil
	}
	_, err = db.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               &spec.Name,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &spec.TTL, Enabled: aws.Bool(true)},
	})
	if err != nil {
		return fmt.Errorf("turning on the time to live of %s: %w", spec.Name, err)
	}
	return nil
}
