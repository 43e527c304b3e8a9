package infra

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/infra/template"
)

// tableControl asks DynamoDB whether a table is there and deletes it. It is a client of its own because nothing but
// the server may hold the DynamoDB SDK (property P3): with three calls that reach no item, it cannot read data.
type tableControl struct {
	cfg   aws.Config
	clock func() time.Time
}

func newTableControl(cfg aws.Config, clock func() time.Time) tableControl {
	return tableControl{cfg, clock}
}

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

func (t tableControl) endpoint() string {
	if t.cfg.BaseEndpoint != nil {
		return *t.cfg.BaseEndpoint
	}
	suffix := "amazonaws.com"
	if strings.HasPrefix(t.cfg.Region, "cn-") {
		suffix = "amazonaws.com.cn"
	}
	return "https://dynamodb." + t.cfg.Region + "." + suffix
}

// tableTries is how often a call is made when DynamoDB fails or is too busy.
const tableTries = 3

func (t tableControl) call(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("asking DynamoDB: %w", err)
	}
	for try := 1; ; try++ {
		err = t.once(ctx, operation, body, out)
		var api *smithy.GenericAPIError
		busy := errors.As(err, &api) && (api.Fault == smithy.FaultServer || strings.Contains(api.Code, "Throttl"))
		if !busy || try == tableTries {
			return err
		}
		timer := time.NewTimer(time.Duration(try) * 200 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

func (t tableControl) once(ctx context.Context, operation string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.endpoint()+"/", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking DynamoDB: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	if t.cfg.Credentials == nil {
		return &v4.SigningError{Err: errors.New("there are no credentials")}
	}
	keys, err := t.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return &v4.SigningError{Err: err}
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, keys, req, hex.EncodeToString(sum[:]), "dynamodb", t.cfg.Region, t.clock()); err != nil {
		return &v4.SigningError{Err: err}
	}
	var doer aws.HTTPClient = http.DefaultClient
	if t.cfg.HTTPClient != nil {
		doer = t.cfg.HTTPClient
	}
	res, err := doer.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return refusal(res.StatusCode, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("reading DynamoDB's answer: %w", err)
	}
	return nil
}

func refusal(status int, answer []byte) error {
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
		Capital string `json:"Message"`
	}
	_ = json.Unmarshal(answer, &e) // what is no JSON has no code
	_, code, ok := strings.Cut(e.Type, "#")
	if !ok {
		code = e.Type
	}
	if code == "" { // something else than DynamoDB answered
		code = http.StatusText(status)
	}
	out := &smithy.GenericAPIError{Code: code, Message: e.Message + e.Capital, Fault: smithy.FaultClient}
	if status >= http.StatusInternalServerError {
		out.Fault = smithy.FaultServer
	}
	return out
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
		return nil, i.explain("looking for the table "+i.names.table, err)
	}
	if d != nil && !d.ours() {
		return nil, fault.New(connect.CodeAlreadyExists, TableForeign, "there is a table %s that is not Waypoint's: its keys differ", i.names.table).
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
			return nil, i.explain("waiting for the end of the table "+i.names.table, err)
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
			i.say("table", "Taking the deletion protection off the table "+i.names.table)
			err = i.tables.call(ctx, "UpdateTable", map[string]any{"TableName": i.names.table, "DeletionProtectionEnabled": false}, &struct{}{})
		default:
			i.say("table", "Deleting the table "+i.names.table)
			err = i.tables.call(ctx, "DeleteTable", map[string]any{"TableName": i.names.table}, &struct{}{})
		}
		if err != nil && !is(err, "ResourceInUseException", "ResourceNotFoundException") {
			return i.explain("deleting the table "+i.names.table, err)
		}
		if err := i.pause(ctx); err != nil {
			return i.explain("waiting for the table's end", err)
		}
	}
}
