package conformance

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/waypoint-serverless/waypoint/localstack/aws/suite"
)

// settingsCases: what can be changed of a table, and bodies that no SDK would send.
func settingsCases() []Case {
	protect := func(t suite.T, e *Env, name *string, on bool) (*dynamodb.UpdateTableOutput, error) {
		return e.Client.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: name, DeletionProtectionEnabled: &on})
	}
	recovery := func(t suite.T, e *Env, name *string, on bool) (*dynamodb.UpdateContinuousBackupsOutput, error) {
		return e.Client.UpdateContinuousBackups(t.Context(), &dynamodb.UpdateContinuousBackupsInput{TableName: name,
			PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: &on}})
	}
	none := aws.String("no-such-table")
	cases := []Case{
		{"settings/deletion protection is switched on and off", func(t suite.T, e *Env) {
			name := e.create(t)
			for _, on := range []bool{true, false} {
				_, err := protect(t, e, name, on)
				ok(t, err)
				out, err := e.Client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: name})
				ok(t, err)
				if got := aws.ToBool(out.Table.DeletionProtectionEnabled); got != on {
					t.Fatalf("it is %v, want %v", got, on)
				}
			}
		}},
		{"settings/a protected table is not deleted", func(t suite.T, e *Env) {
			name := e.create(t)
			_, err := protect(t, e, name, true)
			ok(t, err)
			_, err = e.Client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: name})
			wantCode(t, err, invalid)
			_, err = protect(t, e, name, false)
			ok(t, err)
		}},
		{"settings/no change at all is refused", func(t suite.T, e *Env) {
			_, err := e.Client.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: e.create(t)})
			wantCode(t, err, invalid)
		}},
		{"settings/a table that is not there cannot be changed", func(t suite.T, e *Env) {
			_, err := protect(t, e, none, true)
			wantCode(t, err, notFound)
		}},
		{"settings/point-in-time recovery is off at first", func(t suite.T, e *Env) {
			out, err := e.Client.DescribeContinuousBackups(t.Context(), &dynamodb.DescribeContinuousBackupsInput{TableName: e.create(t)})
			ok(t, err)
			d := out.ContinuousBackupsDescription
			if d.ContinuousBackupsStatus != types.ContinuousBackupsStatusEnabled || d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus != types.PointInTimeRecoveryStatusDisabled {
				t.Fatalf("%+v", d)
			}
		}},
		{"settings/point-in-time recovery is switched on and off", func(t suite.T, e *Env) {
			name := e.create(t)
			for _, on := range []bool{true, false} {
				_, err := recovery(t, e, name, on)
				ok(t, err)
				out, err := e.Client.DescribeContinuousBackups(t.Context(), &dynamodb.DescribeContinuousBackupsInput{TableName: name})
				ok(t, err)
				d := out.ContinuousBackupsDescription.PointInTimeRecoveryDescription
				if (d.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled) != on || on && d.LatestRestorableDateTime == nil {
					t.Fatalf("%+v, want %v", d, on)
				}
			}
		}},
		{"settings/recovery of a table that is not there is refused", func(t suite.T, e *Env) {
			_, err := recovery(t, e, none, true)
			wantCode(t, err, "TableNotFoundException")
		}},
	}
	for _, c := range [][2]string{{"cut off", `{"TableName":"x"`}, {"a list", `[]`}, {"of a wrong type", `{"TableName":7}`}, {"not JSON", `TableName=x`}} {
		name, body := c[0], c[1]
		cases = append(cases, Case{"protocol/a body that is " + name, func(t suite.T, e *Env) {
			_, err := e.Client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: e.table(tableMain)}, instead(body))
			wantCode(t, err, "SerializationException")
		}})
	}
	return cases
}

// instead sends another body than the one that the SDK made; it is signed as usual.
func instead(body string) func(*dynamodb.Options) {
	return func(o *dynamodb.Options) {
		o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
			return s.Build.Add(middleware.BuildMiddlewareFunc("Instead", func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
				req, err := in.Request.(*smithyhttp.Request).SetStream(strings.NewReader(body))
				if err != nil {
					return middleware.BuildOutput{}, middleware.Metadata{}, err
				}
				req.ContentLength = int64(len(body))
				in.Request = req
				return next.HandleBuild(ctx, in)
			}), middleware.Before)
		})
	}
}
