package infra

import (
	"context"
	"encoding/json"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/infra/template"
)

// tableControl describes, protects and deletes tables, with the operator's own credentials. It reaches no item: nothing
// but the server reads or writes those (property P3).
type tableControl struct{ db *dynamodb.Client }

// describe returns nil without an error for a table that does not exist.
func (t tableControl) describe(ctx context.Context, name string) (*types.TableDescription, error) {
	out, err := t.db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
	if is(err, "ResourceNotFoundException") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return out.Table, nil
}

// unprotect takes the deletion protection off a table.
func (t tableControl) unprotect(ctx context.Context, name string) error {
	_, err := t.db.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: &name, DeletionProtectionEnabled: aws.Bool(false)})
	return err
}

func (t tableControl) remove(ctx context.Context, name string) error {
	_, err := t.db.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name})
	return err
}

// isOurs reports whether a table has the keys of the template's.
func isOurs(d *types.TableDescription) bool {
	type keys []struct{ AttributeName string }
	var expected struct {
		Properties struct {
			KeySchema              keys
			GlobalSecondaryIndexes []struct {
				IndexName string
				KeySchema keys
			}
		}
	}
	raw, err := json.Marshal(template.Build().Resources["Table"])
	if err != nil || json.Unmarshal(raw, &expected) != nil {
		return false
	}
	same := func(a []types.KeySchemaElement, b keys) bool {
		return len(a) == 2 && len(b) == 2 && aws.ToString(a[0].AttributeName) == b[0].AttributeName &&
			aws.ToString(a[1].AttributeName) == b[1].AttributeName
	}
	indexes := expected.Properties.GlobalSecondaryIndexes
	if !same(d.KeySchema, expected.Properties.KeySchema) || len(d.GlobalSecondaryIndexes) != len(indexes) {
		return false
	}
	for _, want := range indexes {
		found := false
		for _, have := range d.GlobalSecondaryIndexes {
			found = found || aws.ToString(have.IndexName) == want.IndexName && same(have.KeySchema, want.KeySchema)
		}
		if !found {
			return false
		}
	}
	return true
}

// findTable is nil without error if there is none, and refuses a table of that name that is not Waypoint's.
func (i *installer) findTable(ctx context.Context) (*types.TableDescription, error) {
	d, err := i.tables.describe(ctx, i.names.table)
	if err != nil {
		return nil, i.explain("checking the table "+i.names.table, err)
	}
	if d != nil && !isOurs(d) {
		return nil, fault.New(connect.CodeAlreadyExists, TableForeign, "the table %s already exists and is not Waypoint's: its keys differ", i.names.table).
			WithHint("Choose another name for the installation with --name.")
	}
	return d, nil
}

// lastingTable is findTable for those who want to use the table: it waits for the end of one that is being deleted.
func (i *installer) lastingTable(ctx context.Context) (*types.TableDescription, error) {
	ctx, cancel := context.WithTimeout(ctx, operationsTimeout)
	defer cancel()
	for {
		d, err := i.findTable(ctx)
		if err != nil || d == nil || d.TableStatus != types.TableStatusDeleting {
			return d, err
		}
		if err := i.pause(ctx); err != nil {
			return nil, i.explain("waiting for the deletion of the table "+i.names.table, err)
		}
	}
}

// removeTable takes the table's protection off, deletes it and waits until it is gone.
func (i *installer) removeTable(ctx context.Context) error {
	for {
		d, err := i.findTable(ctx)
		if err != nil || d == nil {
			return err
		}
		switch {
		case d.TableStatus == types.TableStatusDeleting || d.TableStatus == types.TableStatusCreating || d.TableStatus == types.TableStatusUpdating:
		case aws.ToBool(d.DeletionProtectionEnabled):
			i.say("table", "Disabling the deletion protection of the table "+i.names.table)
			err = i.tables.unprotect(ctx, i.names.table)
		default:
			i.say("table", "Deleting the table "+i.names.table)
			err = i.tables.remove(ctx, i.names.table)
		}
		if err != nil && !is(err, "ResourceInUseException", "ResourceNotFoundException") {
			return i.explain("deleting the table "+i.names.table, err)
		}
		if err := i.pause(ctx); err != nil {
			return i.explain("waiting for the table's deletion", err)
		}
	}
}
