package infra

import (
	"context"
	"encoding/json"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/infra/template"
)

// tableControl asks DynamoDB whether a table is there and deletes it. It has no SDK client because nothing but the
// server may hold the DynamoDB SDK (property P3): with three calls that reach no item, it cannot read data.
type tableControl struct{ signed signedCaller }

// tableDescription is the part of DynamoDB's that matters here.
type tableDescription struct {
	TableStatus               string
	DeletionProtectionEnabled bool
	KeySchema                 []tableKey
	GlobalSecondaryIndexes    []struct {
		IndexName string
		KeySchema []tableKey
	}
}

type tableKey struct{ AttributeName, KeyType string }

func (t tableControl) call(ctx context.Context, operation string, in, out any) error {
	return t.signed.json(ctx, "dynamodb", "1.0", "DynamoDB_20120810."+operation, in, out)
}

// describe is nil without error for a table that is not there.
func (t tableControl) describe(ctx context.Context, name string) (*tableDescription, error) {
	var out struct{ Table tableDescription }
	err := t.call(ctx, "DescribeTable", map[string]string{"TableName": name}, &out)
	if is(err, "ResourceNotFoundException") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &out.Table, nil
}

// ours says whether the table has the keys of the template's.
func (d *tableDescription) ours() bool {
	var want struct {
		Properties struct {
			KeySchema              []tableKey
			GlobalSecondaryIndexes []struct {
				IndexName string
				KeySchema []tableKey
			}
		}
	}
	raw, err := json.Marshal(template.Build().Resources["Table"])
	if err != nil || json.Unmarshal(raw, &want) != nil {
		return false
	}
	same := func(a, b []tableKey) bool {
		return len(a) == 2 && len(b) == 2 && a[0].AttributeName == b[0].AttributeName && a[1].AttributeName == b[1].AttributeName
	}
	if !same(d.KeySchema, want.Properties.KeySchema) || len(d.GlobalSecondaryIndexes) != len(want.Properties.GlobalSecondaryIndexes) {
		return false
	}
	for _, w := range want.Properties.GlobalSecondaryIndexes {
		found := false
		for _, h := range d.GlobalSecondaryIndexes {
			found = found || h.IndexName == w.IndexName && same(h.KeySchema, w.KeySchema)
		}
		if !found {
			return false
		}
	}
	return true
}

// findTable is nil without error if there is none, and refuses a table of that name that is not Waypoint's.
func (i *installer) findTable(ctx context.Context) (*tableDescription, error) {
	d, err := i.tables.describe(ctx, i.names.table)
	if err != nil {
		return nil, i.explain("checking the table "+i.names.table, err)
	}
	if d != nil && !d.ours() {
		return nil, fault.New(connect.CodeAlreadyExists, TableForeign, "the table %s already exists and is not Waypoint's: its keys differ", i.names.table).
			WithHint("Choose another name for the installation with --name.")
	}
	return d, nil
}

// lastingTable is findTable for those who want to use the table: it waits for the end of one that is being deleted.
func (i *installer) lastingTable(ctx context.Context) (*tableDescription, error) {
	ctx, cancel := context.WithTimeout(ctx, operationsTimeout)
	defer cancel()
	for {
		d, err := i.findTable(ctx)
		if err != nil || d == nil || d.TableStatus != "DELETING" {
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
		case d.TableStatus == "DELETING" || d.TableStatus == "CREATING" || d.TableStatus == "UPDATING":
		case d.DeletionProtectionEnabled:
			i.say("table", "Disabling the deletion protection of the table "+i.names.table)
			err = i.tables.call(ctx, "UpdateTable", map[string]any{"TableName": i.names.table, "DeletionProtectionEnabled": false}, &struct{}{})
		default:
			i.say("table", "Deleting the table "+i.names.table)
			err = i.tables.call(ctx, "DeleteTable", map[string]any{"TableName": i.names.table}, &struct{}{})
		}
		if err != nil && !is(err, "ResourceInUseException", "ResourceNotFoundException") {
			return i.explain("deleting the table "+i.names.table, err)
		}
		if err := i.pause(ctx); err != nil {
			return i.explain("waiting for the table's deletion", err)
		}
	}
}
