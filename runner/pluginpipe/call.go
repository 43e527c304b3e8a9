package pluginpipe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"

	pluginv1 "github.com/waypoint-serverless/waypoint/api/waypoint/plugin/v1"
	"github.com/waypoint-serverless/waypoint/runner/guard"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// returnBound is how long a component may take to return after its context ended: the contract says a few seconds, and a
// command that ignores the polite signal takes 7. What takes longer is left to the process, and its result is lost.
const returnBound = 30 * time.Second

// request is one call of a method, with what receives what comes before its result.
type request struct {
	method   string
	argument any
	line     func(plugin.LogLine)
	session  *plugin.ExecSession
}

// call calls a method and decodes its result into out.
func (r *remote) call(ctx context.Context, c *plugin.Call, req request, out any) error {
	running, err := r.process.connect()
	if err != nil {
		return err
	}
	guarded := guard.From(ctx).Command()
	defer guarded.Ended()
	guarded.Started(running.pid)
	start, err := r.start(ctx, c, req, guarded)
	if err != nil {
		return err
	}
	defer running.log.during(c)()
	// The end of ctx is told to the component, which then ends the stream: what it shows until then is not lost.
	streaming, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	s := &calling{ctx: ctx, call: c, req: req, stream: running.client.Call(streaming), steps: map[uint64]plugin.Step{}}
	defer func() {
		_ = s.stream.CloseRequest()
		_ = s.stream.CloseResponse()
	}()
	if err := s.send(&pluginv1.CallRequest{Message: &pluginv1.CallRequest_Start{Start: start}}); err != nil && !errors.Is(err, io.EOF) {
		return r.lost(ctx, running, guarded, err)
	}
	stop := context.AfterFunc(ctx, func() {
		cancel := &pluginv1.Cancel{Reason: context.Cause(ctx).Error()}
		_ = s.send(&pluginv1.CallRequest{Message: &pluginv1.CallRequest_Cancel{Cancel: cancel}})
		time.AfterFunc(returnBound, abandon)
	})
	defer stop()
	if req.session != nil {
		ended := make(chan struct{})
		defer close(ended)
		go s.input(ended) // ends with the user's input, or with its first piece after the call
		go s.resizes(ended)
	}
	data, failure, err := s.receive()
	switch {
	case failure != nil:
		return fromFailure(failure, s.canceled())
	case err != nil:
		return r.lost(ctx, running, guarded, err)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("decoding what the plugin %q returned: %w", r.plugin, err)
	}
	return nil
}

func (r *remote) start(ctx context.Context, c *plugin.Call, req request, guarded *guard.Command) (*pluginv1.Start, error) {
	start := &pluginv1.Start{
		Plugin: r.plugin, Kind: r.kind, Method: req.method,
		LocalServer: c.LocalServer != nil, Sealer: c.Sealer != nil, ServerId: c.ServerID != nil, Credential: c.Credential != nil,
	}
	for _, kv := range guarded.Environ([]string{}) {
		if mark, ok := strings.CutPrefix(kv, guard.EnvMark+"="); ok {
			start.Mark = mark
		}
	}
	if deadline, ok := ctx.Deadline(); ok {
		start.TimeoutMs = max(1, time.Until(deadline).Milliseconds())
	}
	for _, part := range []struct {
		to   *[]byte
		from any
	}{{&start.ConfigJson, r.config}, {&start.EnvJson, c.Env}, {&start.ArgumentJson, req.argument}} {
		data, err := json.Marshal(part.from)
		if err != nil {
			return nil, fmt.Errorf("encoding a call of the plugin %q: %w", r.plugin, err)
		}
		*part.to = data
	}
	return start, nil
}

// lost words the end of a stream without a result. If the process is gone, so is what the call had started.
func (r *remote) lost(ctx context.Context, running *running, guarded *guard.Command, err error) error {
	select {
	case <-running.exited:
		guarded.Kill()
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return &carried{
			text:   fmt.Sprintf("the process that runs the plugin %q ended in the middle of its work (%s)", r.plugin, running.how),
			within: []error{plugin.ErrProcessLost},
		}
	case <-time.After(exitBound):
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return fmt.Errorf("calling the plugin %q: %w", r.plugin, err)
}

// calling is the runner's end of one call.
type calling struct {
	ctx    context.Context
	call   *plugin.Call
	req    request
	stream *connect.BidiStreamForClient[pluginv1.CallRequest, pluginv1.CallResponse]

	sending sync.Mutex
	steps   map[uint64]plugin.Step
}

func (s *calling) send(m *pluginv1.CallRequest) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.stream.Send(m)
}

// canceled is what stands for the end of the context in an error of the component.
func (s *calling) canceled() error {
	if cause := context.Cause(s.ctx); cause != nil {
		return cause
	}
	return context.Canceled
}

// receive takes what comes until the result or a failure.
func (s *calling) receive() (result []byte, failure *pluginv1.Failure, err error) {
	var asked sync.WaitGroup
	defer asked.Wait()
	for {
		m, err := s.stream.Receive()
		if err != nil {
			return nil, nil, err
		}
		switch m := m.GetMessage().(type) {
		case *pluginv1.CallResponse_Result:
			return m.Result.GetJson(), nil, nil
		case *pluginv1.CallResponse_Failure:
			return nil, m.Failure, nil
		case *pluginv1.CallResponse_Secrets:
			if m.Secrets.GetTextOnly() {
				s.call.Secrets.AddText(m.Secrets.GetValues()...)
			} else {
				s.call.Secrets.Add(m.Secrets.GetValues()...)
			}
		case *pluginv1.CallResponse_Show:
			if s.call.UI != nil {
				s.show(m.Show)
			}
		case *pluginv1.CallResponse_Log:
			s.log(m.Log)
		case *pluginv1.CallResponse_Line:
			if s.req.line != nil {
				s.req.line(plugin.LogLine{Time: time.Unix(0, m.Line.GetTimeUnixNano()), Text: m.Line.GetText(), Stderr: m.Line.GetStderr()})
			}
		case *pluginv1.CallResponse_Output:
			s.output(m.Output)
		case *pluginv1.CallResponse_Host:
			asked.Go(func() { s.answer(m.Host) })
		}
	}
}

func (s *calling) show(e *pluginv1.Show) {
	ui := s.call.UI
	switch e := e.GetEvent().(type) {
	case *pluginv1.Show_Line_:
		ui.Line(plugin.Style(e.Line.GetStyle()), "%s", e.Line.GetText())
	case *pluginv1.Show_Step_:
		s.step(e.Step)
	case *pluginv1.Show_Table_:
		var rows [][]string
		for _, row := range e.Table.GetRows() {
			rows = append(rows, row.GetCells())
		}
		ui.Table(e.Table.GetHeaders().GetCells(), rows)
	case *pluginv1.Show_NamedValues_:
		var pairs [][2]string
		for _, pair := range e.NamedValues.GetPairs() {
			if cells := pair.GetCells(); len(cells) == 2 {
				pairs = append(pairs, [2]string(cells))
			}
		}
		ui.NamedValues(pairs...)
	case *pluginv1.Show_Stdout:
		_, _ = ui.Stdout().Write(e.Stdout)
	case *pluginv1.Show_Stderr:
		_, _ = ui.Stderr().Write(e.Stderr)
	}
}

func (s *calling) step(e *pluginv1.Show_Step) {
	if e.GetState() == pluginv1.Show_STATE_STARTED {
		s.steps[e.GetId()] = s.call.UI.Step("%s", e.GetText())
		return
	}
	step := s.steps[e.GetId()]
	if step == nil {
		return
	}
	end := func(f func(format string, args ...any)) {
		delete(s.steps, e.GetId())
		if e.GetText() == "" {
			f("") // keeps the text
		} else {
			f("%s", e.GetText())
		}
	}
	switch e.GetState() {
	case pluginv1.Show_STATE_UPDATED:
		step.Update("%s", e.GetText())
	case pluginv1.Show_STATE_OUTPUT:
		_, _ = step.Output().Write(e.GetOutput())
	case pluginv1.Show_STATE_DONE:
		end(step.Done)
	case pluginv1.Show_STATE_FAILED:
		end(step.Fail)
	}
}

func (s *calling) log(l *pluginv1.Log) {
	if s.call.Logger == nil {
		return
	}
	var attributes map[string]string
	_ = json.Unmarshal(l.GetAttributesJson(), &attributes)
	attrs := make([]slog.Attr, 0, len(attributes)+1)
	for key, value := range attributes {
		attrs = append(attrs, slog.String(key, value))
	}
	s.call.Logger.LogAttrs(s.ctx, slog.Level(l.GetLevel()), l.GetMessage(), attrs...) //nolint:sloglint // the plugin's message
}

// answer answers a request for a service of the runner.
func (s *calling) answer(req *pluginv1.HostRequest) {
	a := &pluginv1.HostAnswer{Id: req.GetId()}
	result, err := s.service(req)
	if err == nil {
		a.ResultJson, err = json.Marshal(result)
	}
	if err != nil {
		a.Failure = toFailure(err)
	}
	_ = s.send(&pluginv1.CallRequest{Message: &pluginv1.CallRequest_Answer{Answer: a}})
}

func (s *calling) service(req *pluginv1.HostRequest) (any, error) {
	host := s.call.Host
	var address string
	var box sealed
	switch name := req.GetService(); {
	case name == "open_listener" && host.LocalServer != nil:
		if err := json.Unmarshal(req.GetArgumentJson(), &address); err != nil {
			return nil, err
		}
		port, pin, err := host.LocalServer.OpenListener(s.ctx, address)
		return listener{port, pin}, err
	case name == "close_listener" && host.LocalServer != nil:
		if err := json.Unmarshal(req.GetArgumentJson(), &address); err != nil {
			return nil, err
		}
		return none{}, host.LocalServer.CloseListener(s.ctx, address)
	case (name == "seal" || name == "unseal") && host.Sealer != nil:
		if err := json.Unmarshal(req.GetArgumentJson(), &box); err != nil {
			return nil, err
		}
		if name == "seal" {
			return host.Sealer.Seal(s.ctx, box.Name, box.Data)
		}
		return host.Sealer.Unseal(s.ctx, box.Name, box.Data)
	case name == "server_id" && host.ServerID != nil:
		return host.ServerID(s.ctx)
	case name == "credential" && host.Credential != nil:
		var wanted plugin.CredentialRequest
		if err := json.Unmarshal(req.GetArgumentJson(), &wanted); err != nil {
			return nil, err
		}
		c, err := host.Credential(s.ctx, wanted)
		if err == nil {
			host.Secrets.Add(c.Password)
		}
		return c, err
	}
	return nil, fmt.Errorf("the runner does not offer %s", req.GetService())
}

func (s *calling) output(o *pluginv1.Output) {
	if s.req.session == nil {
		return
	}
	w := s.req.session.Stdout
	if o.GetStderr() {
		w = s.req.session.Stderr
	}
	if w != nil {
		_, _ = w.Write(o.GetData())
	}
}

// input sends what the user types.
func (s *calling) input(ended <-chan struct{}) {
	in := s.req.session.Stdin
	if in == nil {
		return
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := in.Read(buf)
		select {
		case <-ended:
			return
		default:
		}
		if n > 0 {
			_ = s.send(&pluginv1.CallRequest{Message: &pluginv1.CallRequest_Input{Input: &pluginv1.Input{Data: buf[:n]}}})
		}
		if err != nil {
			_ = s.send(&pluginv1.CallRequest{Message: &pluginv1.CallRequest_Input{Input: &pluginv1.Input{End: true}}})
			return
		}
	}
}

func (s *calling) resizes(ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case size, ok := <-s.req.session.Resize:
			if !ok {
				return
			}
			_ = s.send(&pluginv1.CallRequest{Message: &pluginv1.CallRequest_Resize{
				Resize: &pluginv1.WindowSize{Rows: uint32(size.Rows), Columns: uint32(size.Columns)},
			}})
		}
	}
}
