package dynamodb

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
)

type timeToLive struct {
	AttributeName string
	Enabled       bool
}

func (e *Engine) updateTimeToLive(ctx context.Context, body string) ([]byte, error) {
	var in struct {
		TableName               string
		TimeToLiveSpecification *timeToLive
	}
	if err := decodeControl(body, &in); err != nil {
		return nil, err
	}
	t, err := e.controlled(ctx, "UpdateTimeToLive", in.TableName)
	if err != nil {
		return nil, err
	}
	spec := in.TimeToLiveSpecification
	if spec == nil || spec.AttributeName == "" || len(spec.AttributeName) > 255 {
		return nil, missing("timeToLiveSpecification.attributeName")
	}
	_, err = e.redefine(ctx, t.name, func(def *tableDefinition) error {
		switch {
		case spec.Enabled && def.TTLAttribute != "":
			return validation("TimeToLive is already enabled")
		case !spec.Enabled && def.TTLAttribute == "":
			return validation("TimeToLive is already disabled")
		case !spec.Enabled && def.TTLAttribute != spec.AttributeName:
			return validation("TimeToLive is active on a different AttributeName: current AttributeName is " + def.TTLAttribute)
		}
		if def.TTLAttribute = spec.AttributeName; !spec.Enabled {
			def.TTLAttribute = ""
		}
		return nil
	}, func(conn *sqlite.Conn, next *table) error {
		if !spec.Enabled {
			return dropExpiry(conn, next)
		}
		return indexExpiry(conn, next)
	})
	if err != nil {
		return nil, err
	}
	return respond(map[string]any{"TimeToLiveSpecification": spec})
}

func (e *Engine) describeTimeToLive(ctx context.Context, body string) ([]byte, error) {
	t, err := e.named(ctx, body, "DescribeTimeToLive")
	if err != nil {
		return nil, err
	}
	d := map[string]any{"TimeToLiveStatus": "DISABLED"}
	if t.def.TTLAttribute != "" {
		d = map[string]any{"TimeToLiveStatus": "ENABLED", "AttributeName": t.def.TTLAttribute}
	}
	return respond(map[string]any{"TimeToLiveDescription": d})
}

// updateContinuousBackups records the setting. There are no backups behind it:
// restoring is not an operation of this engine.
func (e *Engine) updateContinuousBackups(ctx context.Context, body string) ([]byte, error) {
	var in struct {
		TableName                        string
		PointInTimeRecoverySpecification *struct {
			PointInTimeRecoveryEnabled *bool
			RecoveryPeriodInDays       *int
		}
	}
	if err := decodeControl(body, &in); err != nil {
		return nil, err
	}
	t, err := e.controlled(ctx, "UpdateContinuousBackups", in.TableName)
	if err != nil {
		return nil, backupError(err)
	}
	spec := in.PointInTimeRecoverySpecification
	if spec == nil || spec.PointInTimeRecoveryEnabled == nil {
		return nil, missing("pointInTimeRecoverySpecification.pointInTimeRecoveryEnabled")
	}
	if d := spec.RecoveryPeriodInDays; d != nil && (*d < 1 || *d > 35) {
		return nil, validation(fmt.Sprintf("1 validation error detected: Value '%d' at 'recoveryPeriodInDays' failed to satisfy constraint: Member must have value between 1 and 35", *d))
	}
	t, err = e.redefine(ctx, t.name, func(def *tableDefinition) error {
		def.PointInTime = *spec.PointInTimeRecoveryEnabled
		if spec.RecoveryPeriodInDays != nil {
			def.RecoveryDays = *spec.RecoveryPeriodInDays
		}
		return nil
	}, nil)
	if err != nil {
		return nil, err
	}
	return respond(e.backups(t))
}

func (e *Engine) describeContinuousBackups(ctx context.Context, body string) ([]byte, error) {
	t, err := e.named(ctx, body, "DescribeContinuousBackups")
	if err != nil {
		return nil, backupError(err)
	}
	return respond(e.backups(t))
}

// backupError gives a missing table the name that the operations of backups have for it.
func backupError(err error) error {
	var e *apiError
	if errors.As(err, &e) && e.typ == nsDynamo+"ResourceNotFoundException" {
		return dynamoError("TableNotFoundException", e.message)
	}
	return err
}

func (e *Engine) backups(t *table) map[string]any {
	recovery := map[string]any{"PointInTimeRecoveryStatus": "DISABLED"}
	if t.def.PointInTime {
		recovery = map[string]any{
			"PointInTimeRecoveryStatus": "ENABLED", "RecoveryPeriodInDays": t.def.RecoveryDays,
			"EarliestRestorableDateTime": seconds(t.def.Created), "LatestRestorableDateTime": seconds(e.clock()),
		}
	}
	return map[string]any{"ContinuousBackupsDescription": map[string]any{
		"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery,
	}}
}

// listTags answers with the tags that the table was made with, all in one
// page: a table has at most 50.
func (e *Engine) listTags(ctx context.Context, body string) ([]byte, error) {
	var in struct{ ResourceArn string }
	if err := decodeControl(body, &in); err != nil {
		return nil, err
	}
	name := e.plainName(in.ResourceArn)
	if name == in.ResourceArn {
		return nil, validation("Invalid TableArn: " + in.ResourceArn)
	}
	t, err := e.controlled(ctx, "ListTagsOfResource", name)
	if err != nil {
		return nil, err
	}
	tags := t.def.Tags
	if tags == nil {
		tags = []tag{}
	}
	return respond(map[string]any{"Tags": tags})
}
