// Command waypoint-entrypoint runs an app under Waypoint: waypoint-entrypoint COMMAND [ARGUMENTS…].
//
// It is configured by the environment alone; package entrypoint names the variables.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/waypoint-serverless/waypoint/entrypoint"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/version"
)

func main() { os.Exit(run()) }

func run() int {
	// Before anything else, so that no signal is lost while the app is not there yet.
	signals := make(chan os.Signal, 128)
	entrypoint.Notify(signals)

	environ := os.Environ()
	settings, err := entrypoint.ReadSettings(environ)
	if err != nil {
		fmt.Fprintln(os.Stderr, "waypoint-entrypoint:", err)
		return 2
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: settings.LogLevel})).
		With("component", "waypoint-entrypoint")
	o := entrypoint.Options{
		Settings: settings, Args: os.Args[1:], Environ: environ,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Signals: signals,
		InstanceID: ulid.Make().String(), Version: version.Version(), Now: time.Now, Logger: logger,
	}
	if !settings.Disabled {
		c, err := client.New(client.Options{
			Address: settings.ServerAddr, Token: settings.Token, Component: "entrypoint",
			Version: version.Version(), Insecure: settings.Insecure, Pin: settings.Pin, Logger: logger,
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, "waypoint-entrypoint:", err)
			return 2
		}
		o.Client = c.Entrypoint
	}
	return entrypoint.Run(context.Background(), o)
}
