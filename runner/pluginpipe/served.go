package pluginpipe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	pluginv1 "github.com/waypoint-serverless/waypoint/api/waypoint/plugin/v1"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/redact"
)

// served is the runner's services as a component in the plugin's process has them: each becomes a frame of the call's
// stream, in the order in which they are used.
type served struct {
	stream *callStream
	start  *pluginv1.Start

	sending sync.Mutex

	mu      sync.Mutex
	ids     uint64
	answers map[uint64]chan *pluginv1.HostAnswer
	closed  bool

	input   *inbox
	resizes chan plugin.WindowSize
}

func newServed(stream *callStream, start *pluginv1.Start) *served {
	return &served{
		stream: stream, start: start, answers: map[uint64]chan *pluginv1.HostAnswer{}, input: newInbox(), resizes: make(chan plugin.WindowSize, 1),
	}
}

func (s *served) send(m *pluginv1.CallResponse) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.stream.Send(m)
}

// call is what the component gets.
func (s *served) call() *plugin.Call {
	host := plugin.Host{UI: servedUI{s}, Logger: slog.New(&servedLog{s: s}), Secrets: redact.New()}
	if s.start.GetLocalServer() {
		host.LocalServer = servedServer{s}
	}
	if s.start.GetSealer() {
		host.Sealer = servedServer{s}
	}
	if s.start.GetServerId() {
		host.ServerID = func(ctx context.Context) (id string, err error) { return id, s.ask(ctx, "server_id", nil, &id) }
	}
	if s.start.GetCredential() {
		host.Credential = func(ctx context.Context, req plugin.CredentialRequest) (c plugin.Credential, err error) {
			if err = s.ask(ctx, "credential", req, &c); err == nil {
				host.Secrets.Add(c.Password)
			}
			return c, err
		}
	}
	return &plugin.Call{Host: host}
}

// receive takes what the runner sends until the stream ends, which is the end of the call.
func (s *served) receive(cancel context.CancelCauseFunc) {
	for {
		m, err := s.stream.Receive()
		if err != nil {
			s.close()
			return // the end of the runner ends the stream's context; a stream that is done needs no end
		}
		switch m := m.GetMessage().(type) {
		case *pluginv1.CallRequest_Cancel:
			cancel(&carried{text: m.Cancel.GetReason(), within: []error{context.Canceled}})
		case *pluginv1.CallRequest_Answer:
			s.mu.Lock()
			if waiting := s.answers[m.Answer.GetId()]; waiting != nil {
				waiting <- m.Answer // has room for one
				delete(s.answers, m.Answer.GetId())
			}
			s.mu.Unlock()
		case *pluginv1.CallRequest_Input:
			if m.Input.GetEnd() {
				s.input.end(io.EOF)
			} else {
				s.input.put(m.Input.GetData())
			}
		case *pluginv1.CallRequest_Resize:
			size := plugin.WindowSize{Rows: uint16(m.Resize.GetRows()), Columns: uint16(m.Resize.GetColumns())}
			select {
			case <-s.resizes: // only the newest size counts
			default:
			}
			s.resizes <- size
		}
	}
}

func (s *served) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, waiting := range s.answers {
		close(waiting)
	}
	s.answers = map[uint64]chan *pluginv1.HostAnswer{}
	s.input.end(io.ErrUnexpectedEOF)
}

// ask asks the runner for a service and waits for the answer, as long as ctx lasts.
func (s *served) ask(ctx context.Context, service string, argument, result any) error {
	data, err := json.Marshal(argument)
	if err != nil {
		return fmt.Errorf("asking the runner for %s: %w", service, err)
	}
	waiting := make(chan *pluginv1.HostAnswer, 1)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errors.New("the runner is gone")
	}
	s.ids++
	id := s.ids
	s.answers[id] = waiting
	s.mu.Unlock()
	if err := s.send(&pluginv1.CallResponse{Message: &pluginv1.CallResponse_Host{
		Host: &pluginv1.HostRequest{Id: id, Service: service, ArgumentJson: data},
	}}); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case answer, ok := <-waiting:
		switch {
		case !ok:
			return errors.New("the runner is gone")
		case answer.GetFailure() != nil:
			return fromFailure(answer.GetFailure(), context.Canceled)
		}
		return json.Unmarshal(answer.GetResultJson(), result)
	}
}

func (s *served) sendSecrets(values []string, textOnly bool) {
	_ = s.send(&pluginv1.CallResponse{Message: &pluginv1.CallResponse_Secrets{Secrets: &pluginv1.Secrets{Values: values, TextOnly: textOnly}}})
}

func (s *served) line(l plugin.LogLine) {
	_ = s.send(&pluginv1.CallResponse{Message: &pluginv1.CallResponse_Line{
		Line: &pluginv1.LogLine{TimeUnixNano: l.Time.UnixNano(), Text: l.Text, Stderr: l.Stderr},
	}})
}

// session is an exec session whose streams are the runner's.
func (s *served) session(ctx context.Context, a *execArgument) *plugin.ExecSession {
	x := &plugin.ExecSession{Command: a.Command, TTY: a.TTY, Stdout: servedOutput{s, false}, Stderr: servedOutput{s, true}}
	if a.Stdin {
		x.Stdin = s.input
	}
	if a.TTY != nil {
		x.Resize = s.resizes
	}
	context.AfterFunc(ctx, func() { s.input.end(io.ErrUnexpectedEOF) })
	return x
}

type servedOutput struct {
	s      *served
	stderr bool
}

func (o servedOutput) Write(p []byte) (int, error) {
	return len(p), o.s.send(&pluginv1.CallResponse{Message: &pluginv1.CallResponse_Output{Output: &pluginv1.Output{Data: p, Stderr: o.stderr}}})
}

// servedServer is the services of a server on the runner's machine.
type servedServer struct{ s *served }

type listener struct {
	Port int
	Pin  string
}

type sealed struct {
	Name string
	Data []byte
}

func (a servedServer) OpenListener(ctx context.Context, address string) (port int, pin string, err error) {
	var l listener
	err = a.s.ask(ctx, "open_listener", address, &l)
	return l.Port, l.Pin, err
}

func (a servedServer) CloseListener(ctx context.Context, address string) error {
	return a.s.ask(ctx, "close_listener", address, &none{})
}

func (a servedServer) Seal(ctx context.Context, name string, plain []byte) (out []byte, err error) {
	return out, a.s.ask(ctx, "seal", sealed{name, plain}, &out)
}

func (a servedServer) Unseal(ctx context.Context, name string, data []byte) (out []byte, err error) {
	return out, a.s.ask(ctx, "unseal", sealed{name, data}, &out)
}

// servedUI shows on the runner's terminal.
type servedUI struct{ s *served }

func (u servedUI) show(e *pluginv1.Show) {
	_ = u.s.send(&pluginv1.CallResponse{Message: &pluginv1.CallResponse_Show{Show: e}})
}

// text formats; without arguments the format is text, in which '%' is a character like any other.
func text(format string, args []any) string {
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}

func (u servedUI) Line(style plugin.Style, format string, args ...any) {
	u.show(&pluginv1.Show{Event: &pluginv1.Show_Line_{Line: &pluginv1.Show_Line{Style: int32(style), Text: text(format, args)}}})
}

func (u servedUI) Table(headers []string, rows [][]string) {
	t := &pluginv1.Show_Table{Headers: &pluginv1.Show_Row{Cells: headers}}
	for _, row := range rows {
		t.Rows = append(t.Rows, &pluginv1.Show_Row{Cells: row})
	}
	u.show(&pluginv1.Show{Event: &pluginv1.Show_Table_{Table: t}})
}

func (u servedUI) NamedValues(pairs ...[2]string) {
	v := &pluginv1.Show_NamedValues{}
	for _, pair := range pairs {
		v.Pairs = append(v.Pairs, &pluginv1.Show_Row{Cells: pair[:]})
	}
	u.show(&pluginv1.Show{Event: &pluginv1.Show_NamedValues_{NamedValues: v}})
}

func (u servedUI) Stdout() io.Writer { return servedStdout{u} }
func (u servedUI) Stderr() io.Writer { return servedStderr{u} }

type servedStdout struct{ u servedUI }

func (w servedStdout) Write(p []byte) (int, error) {
	w.u.show(&pluginv1.Show{Event: &pluginv1.Show_Stdout{Stdout: p}})
	return len(p), nil
}

type servedStderr struct{ u servedUI }

func (w servedStderr) Write(p []byte) (int, error) {
	w.u.show(&pluginv1.Show{Event: &pluginv1.Show_Stderr{Stderr: p}})
	return len(p), nil
}

func (u servedUI) Step(format string, args ...any) plugin.Step {
	u.s.mu.Lock()
	u.s.ids++
	id := u.s.ids
	u.s.mu.Unlock()
	st := servedStep{u, id}
	st.show(pluginv1.Show_STATE_STARTED, text(format, args), nil)
	return st
}

type servedStep struct {
	u  servedUI
	id uint64
}

func (s servedStep) show(state pluginv1.Show_State, text string, output []byte) {
	s.u.show(&pluginv1.Show{Event: &pluginv1.Show_Step_{Step: &pluginv1.Show_Step{Id: s.id, State: state, Text: text, Output: output}}})
}

func (s servedStep) Update(format string, args ...any) {
	s.show(pluginv1.Show_STATE_UPDATED, text(format, args), nil)
}

func (s servedStep) Done(format string, args ...any) {
	s.show(pluginv1.Show_STATE_DONE, text(format, args), nil)
}

func (s servedStep) Fail(format string, args ...any) {
	s.show(pluginv1.Show_STATE_FAILED, text(format, args), nil)
}

func (s servedStep) Output() io.Writer { return servedStepOutput{s} }

type servedStepOutput struct{ s servedStep }

func (w servedStepOutput) Write(p []byte) (int, error) {
	w.s.show(pluginv1.Show_STATE_OUTPUT, "", p)
	return len(p), nil
}

// servedLog is a slog.Handler that logs in the runner's log.
type servedLog struct {
	s     *served
	attrs []slog.Attr
	group string
}

func (l *servedLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *servedLog) Handle(_ context.Context, r slog.Record) error {
	attributes := map[string]string{}
	for _, a := range l.attrs {
		attributes[a.Key] = a.Value.Resolve().String()
	}
	r.Attrs(func(a slog.Attr) bool {
		attributes[l.group+a.Key] = a.Value.Resolve().String()
		return true
	})
	data, err := json.Marshal(attributes)
	if err != nil {
		return err
	}
	return l.s.send(&pluginv1.CallResponse{Message: &pluginv1.CallResponse_Log{
		Log: &pluginv1.Log{Level: int32(r.Level), Message: r.Message, AttributesJson: data},
	}})
}

func (l *servedLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *l
	next.attrs = append([]slog.Attr{}, l.attrs...)
	for _, a := range attrs {
		next.attrs = append(next.attrs, slog.Attr{Key: l.group + a.Key, Value: a.Value})
	}
	return &next
}

func (l *servedLog) WithGroup(name string) slog.Handler {
	next := *l
	next.group += name + "."
	return &next
}
