// Command bootstrap is the Lambda function that the package's tests run: it does what
// its event asks for.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do   string `json:"do"`
	Text string `json:"text,omitempty"`
	Size int    `json:"size,omitempty"`
}

var calls int

func handle(ctx context.Context, e event) (any, error) {
	calls++
	switch e.Do {
	case "echo":
		return map[string]any{"text": e.Text, "pid": os.Getpid(), "calls": calls}, nil
	case "context":
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		return map[string]any{"id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "left": time.Until(deadline).Seconds()}, nil
	case "env":
		return os.Environ(), nil
	case "size":
		return strings.Repeat("x", e.Size), nil
	case "sleep":
		time.Sleep(time.Hour)
	case "hold":
		if f, err := os.CreateTemp(filepath.Dir(e.Text), filepath.Base(e.Text)+".*"); err == nil {
			_ = f.Close()
		}
		for _, err := os.Stat(e.Text); err != nil; _, err = os.Stat(e.Text) {
			time.Sleep(5 * time.Millisecond)
		}
		return map[string]any{"pid": os.Getpid()}, nil
	case "error":
		return nil, errors.New(e.Text)
	case "panic":
		panic(e.Text)
	case "exit":
		fmt.Println("leaving")
		os.Exit(3)
	case "stream":
		return &events.APIGatewayProxyStreamingResponse{StatusCode: 200, Body: io.NopCloser(strings.NewReader("x"))}, nil
	}
	return nil, fmt.Errorf("unknown event %q", e.Do)
}

func main() {
	switch os.Getenv("BOOT") {
	case "exit":
		os.Exit(4)
	case "hang":
		time.Sleep(time.Hour)
	}
	lambda.Start(handle)
}
