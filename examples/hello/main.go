// Command hello is a small web app to bring up with Waypoint. It needs nothing but the standard library.
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

func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}
