package standin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sort"
	"strings"

	"github.com/waypoint-serverless/waypoint/localstack/gateway"
)

// restAPI is a REST API of a stack. Its gateway is made when its stage is.
type restAPI struct {
	id, name, description string
	binary                []string
	paths                 map[string]string // by resource id
	methods               []apiMethod
	stage                 string
	// changed: the API has changed since its stage was made.
	changed bool
	// deployment is the one that the stage shows, throttles what the stage sets.
	deployment string
	throttles  throttles
	gateway    *gateway.Gateway
}

// throttles are a stage's: that of each method which has none of its own (nil: none), and those of methods, by "POST /path".
type throttles struct {
	stage   *gateway.Throttle
	methods map[string]gateway.Throttle
}

type apiMethod struct{ id, resource, method, function string }

func (a *restAPI) close(ctx context.Context) error {
	if a.gateway == nil {
		return nil
	}
	return a.gateway.Close(ctx)
}

func (s *StandIn) serveAPI(w http.ResponseWriter, r *http.Request, rest string) {
	id, rest, _ := strings.Cut(rest, "/")
	stage, rest, _ := strings.Cut(rest, "/")
	s.mu.Lock()
	a := s.apis[id]
	var gw *gateway.Gateway
	if a != nil && a.stage == stage {
		gw = a.gateway
	}
	s.mu.Unlock()
	if gw == nil {
		refuse(w, "json", http.StatusNotFound, "NotFoundException", "the stand-in has no API "+id+" with a stage "+stage)
		return
	}
	r2 := r.Clone(r.Context())
	r2.URL.Path, r2.URL.RawPath = "/"+rest, ""
	gw.ServeHTTP(w, r2)
}

// deploy makes the gateway of a stage. s.mu is held.
func (s *StandIn) deploy(a *restAPI, stage, deployment string, throttles throttles) error {
	if a.gateway != nil {
		return errors.New("the stand-in serves one stage of an API")
	}
	methods := append([]apiMethod(nil), a.methods...)
	// The most specific path first: literals before greedy parameters.
	sort.Slice(methods, func(i, j int) bool {
		return strings.Count(a.paths[methods[i].resource], "/") > strings.Count(a.paths[methods[j].resource], "/")
	})
	var routes []gateway.Route
	for _, m := range methods {
		route := gateway.Route{Method: m.method, Resource: a.paths[m.resource], Invoker: lateFunction{s, m.function}}
		if own, ok := throttles.methods[m.method+" "+route.Resource]; ok {
			route.Throttle = &own
		}
		routes = append(routes, route)
	}
	gw, err := gateway.New(gateway.Options{Routes: routes, APIID: a.id, AccountID: Account, Stage: stage, BinaryMediaTypes: a.binary, Throttle: throttles.stage,
		Clock: s.opt.Clock, NewID: func() string { return a.id + "-" + random(8) }, Logger: s.opt.Logger})
	if err != nil {
		return err
	}
	a.gateway, a.stage, a.deployment, a.throttles = gw, stage, deployment, throttles
	return nil
}

// lateFunction finds its function when it is invoked: an upgrade replaces it.
type lateFunction struct {
	s    *StandIn
	name string
}

func (l lateFunction) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	l.s.mu.Lock()
	f := l.s.functions[l.name]
	l.s.mu.Unlock()
	if f == nil {
		return nil, fmt.Errorf("there is no function %s", l.name)
	}
	return f.Invoke(ctx, payload)
}
