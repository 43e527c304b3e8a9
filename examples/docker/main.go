// Command hello is a small web app to bring up with Waypoint in a container. It needs nothing but the standard library.
//
//	hello            serves
//	hello -version   says that it runs
//	hello -check     asks the server in this container whether it is healthy; for HEALTHCHECK in the Dockerfile
package main

import (
	"context"
	_ "embed"
	"errors"
	"html/template"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

//go:embed page.html
var page string

// facts are what the page shows. GREETING is the app's configuration: `waypoint config set GREETING=…`.
type facts struct {
	Greeting, App, Workspace, Version, Deployment string
	Started                                       time.Time
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "-check" {
		os.Exit(check(env("PORT", "8080")))
	}
	if len(os.Args) > 1 && os.Args[1] == "-version" {
		log.Print("hello runs")
		return
	}
	f := facts{
		Greeting:   env("GREETING", "Hello"),
		App:        env("APP", "hello"),
		Workspace:  env("WORKSPACE", "default"),
		Version:    env("VERSION", "dev"),
		Deployment: env("WAYPOINT_DEPLOYMENT_ID", "none"),
		Started:    time.Now(),
	}
	if err := serve(env("PORT", "8080"), handler(f)); err != nil {
		log.Fatal(err)
	}
}

func handler(f facts) http.Handler {
	tmpl := template.Must(template.New("page").Parse(page))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		log.Printf("%s %s", r.Method, r.URL.Path)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := tmpl.Execute(w, f); err != nil {
			log.Print(err)
		}
	})
	return mux
}

// serve runs until SIGTERM and then answers what has already been asked.
func serve(port string, h http.Handler) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: ":" + port, Handler: h, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	log.Printf("hello listens on port %s", port)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Print("hello ends")
	limited, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	if err := server.Shutdown(limited); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// check is 0 if the app answers. An image FROM scratch has no curl to ask with.
func check(port string) int {
	client := &http.Client{Timeout: 2 * time.Second}
	res, err := client.Get("http://127.0.0.1:" + port + "/healthz")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		log.Printf("the app answers %s", res.Status)
		return 1
	}
	return 0
}

func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}
