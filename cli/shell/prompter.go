package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/waypoint-serverless/waypoint/cli/problem"
)

// Prompter asks questions on the terminal.
type Prompter struct {
	*Streams
	reader *bufio.Reader
	// ctx is the command's: the first interrupt ends it, and with it a question.
	ctx context.Context
	// prompting reports whether a prompt waits for an answer.
	prompting atomic.Bool
}

// ErrNotConfirmed ends a command whose question was answered with no.
var ErrNotConfirmed = errors.New("nothing was changed")

// CanAsk reports whether questions can be asked: stdin and stderr are terminals.
func (p *Prompter) CanAsk() bool { return p.env.InTTY && p.env.ErrTTY }

// confirm asks a yes-or-no question on the terminal; an empty answer is fallback.
func (p *Prompter) confirm(question string, fallback bool) (bool, error) {
	choices := "[y/N]"
	if fallback {
		choices = "[Y/n]"
	}
	p.Progressf("%s %s ", question, choices)
	answer, err := p.ReadLine()
	if err != nil {
		return false, err
	}
	switch strings.ToLower(answer) {
	case "":
		return fallback, nil
	case "y", "yes":
		return true, nil
	}
	return false, nil
}

// MustConfirm asks before something is destroyed, unless approved. Without a terminal it returns an error.
func (p *Prompter) MustConfirm(question string, approved, json bool) error {
	if approved {
		return nil
	}
	if json || !p.CanAsk() {
		return problem.New("NOT_CONFIRMED", "confirmation required, but stdin is not a terminal").
			WithHint("Pass -auto-approve (or -yes) to skip the confirmation.")
	}
	ok, err := p.confirm(question, false)
	if err != nil {
		return err
	}
	if !ok {
		return ErrNotConfirmed
	}
	return nil
}

// ReadLine reads an answer.
func (p *Prompter) ReadLine() (string, error) {
	if p.reader == nil {
		p.reader = bufio.NewReader(p.env.In)
	}
	line, err := p.ReadAnswer(func() (string, error) { return p.reader.ReadString('\n') })
	if err != nil && (line == "" || !errors.Is(err, io.EOF)) {
		return "", fmt.Errorf("reading the answer: %w", err) // an interrupt, too
	}
	return strings.TrimSpace(line), nil
}

// ReadAnswer reads from the terminal and gives up as soon as the command is interrupted. The read cannot be ended: it
// stays until the process ends, which an interrupted command is about to do.
func (p *Prompter) ReadAnswer(read func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	p.prompting.Store(true)
	defer p.prompting.Store(false)
	got := make(chan answer, 1)
	go func() {
		text, err := read()
		got <- answer{text, err}
	}()
	select {
	case a := <-got:
		return a.text, a.err
	case <-p.Context().Done():
		p.env.restoreTerminal() // the read may have switched the echo off
		p.Progressf("\n")
		return "", context.Cause(p.Context())
	}
}

// Context is the command's; it ends with the first interrupt.
func (p *Prompter) Context() context.Context {
	if p.ctx == nil {
		return context.Background()
	}
	return p.ctx
}
