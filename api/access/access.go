// Package access reads what the methods of the contract declare of themselves: who may call them, what that needs, and in
// which traffic class they are (api/proto/waypoint/v1/access.proto).
//
// Server, clients, gateways and the documentation follow it instead of lists of their own. It imports the generated code and
// nothing else of ours; it decides nothing. A method is read when it is asked for, once, so that a start costs nothing.
package access

import (
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// Values of Method.Resource that are not the path of a field; access.proto says what they mean.
const (
	Loaded = "loaded"
	Any    = "any"
	All    = "all"
	Lease  = "lease"
)

// pkg is the package of the contract.
const pkg protoreflect.FullName = "waypoint.v1"

// Method is what one method declares.
type Method struct {
	// Procedure is the path that it is called by: "/waypoint.v1.JobService/GetJob".
	Procedure string
	// Service is the full name of its service: "waypoint.v1.JobService".
	Service      string
	Name         string
	Callers      []waypointv1.Caller
	Action       string
	Resource     string
	GlobalAction string
	Traffic      waypointv1.Traffic
	Mutation     bool

	path []protoreflect.FieldDescriptor
}

// Open reports whether the method is answered without a token.
func (m *Method) Open() bool { return m.Admits(waypointv1.Caller_CALLER_NONE) }

// Admits reports whether a kind of caller may call the method, as far as the kind goes.
func (m *Method) Admits(kind waypointv1.Caller) bool { return slices.Contains(m.Callers, kind) }

// Keyed reports whether a call takes an idempotency key.
func (m *Method) Keyed() bool {
	return m.Mutation && m.Traffic == waypointv1.Traffic_TRAFFIC_CONTROL
}

// Repeatable reports whether a call that got no answer may be sent again: a read, a change under its idempotency key, or one
// of runners and entrypoints, whose lease, position or sequence tells a repeat.
func (m *Method) Repeatable() bool { return !m.Mutation || !m.Open() }

// ByField reports whether a field of the request names the resource.
func (m *Method) ByField() bool { return len(m.path) > 0 }

// methods holds each *Method that was read, by the full name of its descriptor.
var methods sync.Map

// Of returns what a method declares, and false if it declares nothing or what cannot be read.
func Of(d protoreflect.MethodDescriptor) (*Method, bool) {
	if d == nil {
		return nil, false
	}
	if m, ok := methods.Load(d.FullName()); ok {
		return m.(*Method), true
	}
	declared, ok := proto.GetExtension(d.Options(), waypointv1.E_Access).(*waypointv1.Access)
	if !ok || declared == nil {
		return nil, false
	}
	service := d.Parent().FullName()
	m := &Method{
		Procedure: "/" + string(service) + "/" + string(d.Name()), Service: string(service), Name: string(d.Name()),
		Callers: declared.GetCallers(), Action: declared.GetAction(), Resource: declared.GetResource(),
		GlobalAction: declared.GetGlobalAction(), Traffic: declared.GetTraffic(), Mutation: declared.GetMutation(),
	}
	switch m.Resource {
	case "", Loaded, Any, All, Lease:
	default:
		if m.path, ok = fieldPath(d.Input(), m.Resource); !ok {
			return nil, false
		}
	}
	methods.Store(d.FullName(), m)
	return m, true
}

// fieldPath finds the fields of a path such as "spec.project"; the last one is text.
func fieldPath(in protoreflect.MessageDescriptor, path string) ([]protoreflect.FieldDescriptor, bool) {
	var out []protoreflect.FieldDescriptor
	for _, name := range strings.Split(path, ".") {
		if in == nil {
			return nil, false
		}
		f := in.Fields().ByName(protoreflect.Name(name))
		if f == nil || f.IsMap() {
			return nil, false
		}
		out, in = append(out, f), f.Message()
	}
	last := out[len(out)-1]
	return out, last.Kind() == protoreflect.StringKind && !last.IsList()
}

// Lookup returns what the method of a procedure declares, and false for what is not a method of the contract.
func Lookup(procedure string) (*Method, bool) {
	service, name, ok := strings.Cut(strings.TrimPrefix(procedure, "/"), "/")
	if !ok || !strings.HasPrefix(procedure, "/") {
		return nil, false
	}
	if m, ok := methods.Load(protoreflect.FullName(service + "." + name)); ok {
		return m.(*Method), true
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	s, ok := d.(protoreflect.ServiceDescriptor)
	if err != nil || !ok || s.ParentFile().Package() != pkg {
		return nil, false
	}
	return Of(s.Methods().ByName(protoreflect.Name(name)))
}

// Resources returns the names that the declared field has in a request: one, or several where a field on the way to it is a
// list. What a request leaves out is "". A list without elements gives none.
func (m *Method) Resources(request proto.Message) []string {
	if len(m.path) == 0 {
		return nil
	}
	return collect(request.ProtoReflect(), m.path, nil)
}

func collect(in protoreflect.Message, path []protoreflect.FieldDescriptor, out []string) []string {
	f := path[0]
	switch {
	case len(path) == 1:
		return append(out, in.Get(f).String())
	case f.IsList():
		list := in.Get(f).List()
		for i := range list.Len() {
			out = collect(list.Get(i).Message(), path[1:], out)
		}
		return out
	}
	return collect(in.Get(f).Message(), path[1:], out)
}

// Service is a service of the contract.
type Service struct {
	// Name is the full one: "waypoint.v1.JobService".
	Name string
	// Traffic is the class of all its methods.
	Traffic    waypointv1.Traffic
	Descriptor protoreflect.ServiceDescriptor
}

// Services are the services of the contract, by name. A service whose methods declare nothing has no class.
func Services() []Service {
	var out []Service
	protoregistry.GlobalFiles.RangeFilesByPackage(pkg, func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			d := f.Services().Get(i)
			s := Service{Name: string(d.FullName()), Descriptor: d}
			if m, ok := Of(d.Methods().Get(0)); ok {
				s.Traffic = m.Traffic
			}
			out = append(out, s)
		}
		return true
	})
	slices.SortFunc(out, func(a, b Service) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Methods are all methods that declare something, by service and in their order.
func Methods() []*Method {
	var out []*Method
	for _, s := range Services() {
		for i := range s.Descriptor.Methods().Len() {
			if m, ok := Of(s.Descriptor.Methods().Get(i)); ok {
				out = append(out, m)
			}
		}
	}
	return out
}

// ServicesOf are the full names of the services of some traffic classes.
func ServicesOf(classes ...waypointv1.Traffic) []string {
	var out []string
	for _, s := range Services() {
		if slices.Contains(classes, s.Traffic) {
			out = append(out, s.Name)
		}
	}
	return out
}
