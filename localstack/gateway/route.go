package gateway

import (
	"errors"
	"hash/fnv"
	"mime"
	"strconv"
	"strings"

	"golang.org/x/time/rate"
)

// route is a Route with its resource taken apart and the constant parts of its events
// encoded once.
type route struct {
	method, resource string
	segments         []segment
	invoker          Invoker
	limiter          *rate.Limiter // nil: not throttled
	head             []byte        // {"resource":…,"path":
	context          []byte        // "stageVariables":…,"requestContext":{… constant members …
}

type segment struct {
	literal string
	param   string // set if the segment is {param} or {param+}
	greedy  bool
}

// param is one path parameter of a request, percent-encoded as it came.
type param struct{ name, value string }

func compile(r Route, opt Options) (route, error) {
	if r.Invoker == nil || r.Method == "" {
		return route{}, errors.New("method and invoker are required")
	}
	path, ok := strings.CutPrefix(r.Resource, "/")
	if !ok {
		return route{}, errors.New("a resource begins with /")
	}
	c := route{method: r.Method, resource: r.Resource, invoker: r.Invoker, limiter: limiter(r.Throttle, opt.Throttle)}
	if path != "" {
		parts := strings.Split(path, "/")
		for i, p := range parts {
			s, err := parseSegment(p)
			if err != nil {
				return route{}, err
			}
			if s.greedy && i != len(parts)-1 {
				return route{}, errors.New("a greedy parameter must be the last segment")
			}
			c.segments = append(c.segments, s)
		}
	}
	c.head = append(appendString([]byte(`{"resource":`), r.Resource), `,"path":`...)
	c.context = appendConstants(nil, c, opt)
	return c, nil
}

// limiter makes a method's token bucket: its own, or the stage's default.
func limiter(own, stage *Throttle) *rate.Limiter {
	if own == nil {
		own = stage
	}
	if own == nil {
		return nil
	}
	return rate.NewLimiter(rate.Limit(own.Rate), own.Burst)
}

func parseSegment(p string) (segment, error) {
	inner, ok := strings.CutPrefix(p, "{")
	if !ok {
		if p == "" || strings.ContainsAny(p, "{}") {
			return segment{}, errors.New("a segment is text, {name} or {name+}")
		}
		return segment{literal: p}, nil
	}
	inner, ok = strings.CutSuffix(inner, "}")
	name, greedy := strings.CutSuffix(inner, "+")
	if !ok || name == "" || strings.ContainsAny(name, "{}+") {
		return segment{}, errors.New("a segment is text, {name} or {name+}")
	}
	return segment{param: name, greedy: greedy}, nil
}

// match finds the first route for a percent-encoded path without its stage.
func (g *Gateway) match(method, path string) (*route, []param) {
	for i := range g.routes {
		r := &g.routes[i]
		if r.method != "ANY" && r.method != method {
			continue
		}
		if params, ok := r.match(path); ok {
			return r, params
		}
	}
	return nil, nil
}

func (r *route) match(path string) ([]param, bool) {
	rest := strings.TrimPrefix(path, "/")
	if len(r.segments) == 0 {
		return nil, rest == ""
	}
	var params []param
	for i, s := range r.segments {
		if s.greedy {
			if rest == "" {
				return nil, false
			}
			return append(params, param{s.param, rest}), true
		}
		part, after, more := strings.Cut(rest, "/")
		if s.param == "" && part != s.literal || part == "" {
			return nil, false
		}
		if s.param != "" {
			params = append(params, param{s.param, part})
		}
		if last := i == len(r.segments)-1; !last && !more || last && after != "" {
			return nil, false
		}
		rest = after
	}
	return params, true
}

// resourceID is a stable six-character id, as AWS gives resources.
func resourceID(resource string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(resource)) // a hash never fails
	id := strconv.FormatUint(uint64(h.Sum32()), 36)
	return (id + "000000")[:6]
}

// mediaTypes is a set of binary media types.
type mediaTypes struct {
	all      bool
	exact    map[string]bool
	families []string // "image/"
}

func newMediaTypes(types []string) mediaTypes {
	m := mediaTypes{exact: make(map[string]bool)}
	for _, t := range types {
		t = strings.ToLower(t)
		switch family, ok := strings.CutSuffix(t, "/*"); {
		case t == "*/*":
			m.all = true
		case ok:
			m.families = append(m.families, family+"/")
		default:
			m.exact[t] = true
		}
	}
	return m
}

// binary says whether a Content-Type or the first type of an Accept header is in the set.
func (m mediaTypes) binary(header string) bool {
	if m.all {
		return true
	}
	if header == "" || len(m.exact)+len(m.families) == 0 {
		return false
	}
	first, _, _ := strings.Cut(header, ",")
	t, _, err := mime.ParseMediaType(first)
	if err != nil {
		return false
	}
	if m.exact[t] {
		return true
	}
	for _, f := range m.families {
		if strings.HasPrefix(t, f) {
			return true
		}
	}
	return false
}
