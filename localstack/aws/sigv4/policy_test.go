package sigv4_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
)

const queue = "arn:aws:sqs:us-east-1:000000000000:wp-pool-1"

func TestPolicyAllows(t *testing.T) {
	tests := []struct {
		name, statements, action, resource string
		want                               bool
	}{
		{"the action and resource named", `{"Effect":"Allow","Action":"sqs:ReceiveMessage","Resource":"` + queue + `"}`, "sqs:ReceiveMessage", queue, true},
		{"an action in another case", `{"Effect":"Allow","Action":"SQS:receivemessage","Resource":"*"}`, "sqs:ReceiveMessage", queue, true},
		{"not another action", `{"Effect":"Allow","Action":"sqs:ReceiveMessage","Resource":"*"}`, "sqs:SendMessage", queue, false},
		{"not another queue", `{"Effect":"Allow","Action":"sqs:*","Resource":"` + queue + `"}`, "sqs:SendMessage", queue + "2", false},
		{"lists", `{"Effect":"Allow","Action":["a:B","sqs:SendMessage"],"Resource":["x","` + queue + `"]}`, "sqs:SendMessage", queue, true},
		{"a star", `{"Effect":"Allow","Action":"sqs:*Message","Resource":"arn:aws:sqs:*:*:wp-*"}`, "sqs:SendMessage", queue, true},
		{"a question mark", `{"Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:us-east-1:000000000000:wp-pool-?"}`, "sqs:SendMessage", queue, true},
		{"a question mark is one character", `{"Effect":"Allow","Action":"*","Resource":"` + queue + `?"}`, "sqs:SendMessage", queue, false},
		{"resources in their own case", `{"Effect":"Allow","Action":"*","Resource":"` + strings.ToUpper(queue) + `"}`, "sqs:SendMessage", queue, false},
		{"an explicit deny wins", `[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"sqs:Delete*","Resource":"*"}]`, "sqs:DeleteQueue", queue, false},
		{"a deny of something else does not", `[{"Effect":"Deny","Action":"sqs:Delete*","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}]`, "sqs:SendMessage", queue, true},
		{"nothing by default", `{"Effect":"Deny","Action":"x:y","Resource":"*"}`, "sqs:SendMessage", queue, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := sigv4.ParsePolicy([]byte(`{"Version":"2012-10-17","Statement":` + tt.statements + `}`))
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Allows(tt.action, tt.resource); got != tt.want {
				t.Fatalf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPolicyRefusesByName(t *testing.T) {
	tests := []struct{ name, doc, want string }{
		{"Condition", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}}`, `"Condition"`},
		{"NotAction", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":"*","Resource":"*"}}`, `"NotAction"`},
		{"Principal", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}}`, `"Principal"`},
		{"an old version", `{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, "Version"},
		{"no statement", `{"Version":"2012-10-17"}`, "Statement"},
		{"a wrong effect", `{"Version":"2012-10-17","Statement":{"Effect":"allow","Action":"*","Resource":"*"}}`, "Effect"},
		{"no resource", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*"}}`, "Resource"},
		{"a policy variable", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"${aws:username}"}}`, "variables"},
		{"an unknown element", `{"Version":"2012-10-17","Statements":[]}`, "Statements"},
		{"no JSON", `Allow`, "policy document"},
		{"text after it", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}} x`, "after"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := sigv4.ParsePolicy([]byte(tt.doc))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want an error that names %s", err, tt.want)
			}
		})
	}
}

func TestAuthorize(t *testing.T) {
	ctx := context.Background()
	p, err := sigv4.ParsePolicy([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"` + queue + `"}}`))
	if err != nil {
		t.Fatal(err)
	}
	limited := sigv4.WithPrincipal(ctx, sigv4.Principal{ARN: "arn:x", Policy: p})
	root := sigv4.WithPrincipal(ctx, sigv4.Principal{})
	tests := []struct {
		name string
		ctx  context.Context
		to   string
		want bool
	}{
		{"root may do everything", root, "other", true},
		{"a session may do what its policy says", limited, queue, true},
		{"and no more", limited, queue + "x", false},
		{"nobody may do nothing", ctx, queue, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := sigv4.Authorize(tt.ctx, "sqs:SendMessage", tt.to)
			var e *sigv4.Error
			if (err == nil) != tt.want || err != nil && (!errors.As(err, &e) || e.Code != "AccessDeniedException") {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a*b?c","Resource":"*"}}`, "a:b", "c")
	f.Fuzz(func(_ *testing.T, doc, action, resource string) {
		if p, err := sigv4.ParsePolicy([]byte(doc)); err == nil {
			p.Allows(action, resource)
		}
	})
}
