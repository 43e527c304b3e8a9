// Command serve runs the stand-in for an AWS endpoint (see package standin) until it is told to end, for trying the
// installer and for CI. It is neither AWS nor LocalStack. The operator's keys are AWS_ACCESS_KEY_ID and
// AWS_SECRET_ACCESS_KEY, or made at random. It prints, as one line of JSON, the environment that an
// installer needs.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/waypoint-serverless/waypoint/localstack/standin"
)

// endGrace bounds the wait for functions when the command ends.
const endGrace = 10 * time.Second

func main() {
	listen := flag.String("listen", "127.0.0.1:4566", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "stand-in:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to clean up
	}
}

func run(ctx context.Context, listen string) (err error) {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	s, err := standin.Start(ctx, standin.Options{Listen: listen, Output: os.Stderr, Logger: logger,
		AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY")})
	if err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endGrace)
		defer cancel()
		err = errors.Join(err, s.Close(end))
	}()
	keys, err := s.Config().Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	err = json.NewEncoder(os.Stdout).Encode(map[string]string{"AWS_ENDPOINT_URL": s.URL, "AWS_REGION": standin.Region,
		"AWS_ACCESS_KEY_ID": keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY": keys.SecretAccessKey})
	if err != nil {
		return err
	}
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-minute.C:
			if err := s.Tick(ctx); err != nil {
				logger.DebugContext(ctx, "no schedule ran", "error", err)
			}
		}
	}
}
