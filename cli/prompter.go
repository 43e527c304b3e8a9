package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
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

// errNotConfirmed ends a command that somebody answered no to.
var errNotConfirmed = errors.New("nothing was changed")

// canAsk says whether there is somebody to answer a question.
func (p *Prompter) canAsk() bool { return p.env.InTTY && p.env.ErrTTY }

// confirm asks a yes-or-no question on the terminal; an empty answer is fallback.
func (p *Prompter) confirm(question string, fallback bool) (bool, error) {
	choices := "[y/N]"
	if fallback {
		choices = "[Y/n]"
	}
	p.sayf("%s %s ", question, choices)
	answer, err := p.readLine()
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

// mustConfirm asks before something is destroyed, unless approved. Where nobody can answer, it refuses.
func (p *Prompter) mustConfirm(question string, approved, json bool) error {
	if approved {
		return nil
	}
	if json || !p.canAsk() {
		return problem("NOT_CONFIRMED", "this needs a confirmation, and there is no terminal to ask on").
			withHint("Add --auto-approve (or --yes) if you are sure.")
	}
	ok, err := p.confirm(question, false)
	if err != nil {
		return err
	}
	if !ok {
		return errNotConfirmed
	}
	return nil
}

func (p *Prompter) readLine() (string, error) {
	if p.reader == nil {
		p.reader = bufio.NewReader(p.env.In)
	}
	line, err := p.readAnswer(func() (string, error) { return p.reader.ReadString('\n') })
	if err != nil && (line == "" || !errors.Is(err, io.EOF)) {
		return "", fmt.Errorf("reading the answer: %w", err) // an interrupt, too
	}
	return strings.TrimSpace(line), nil
}

// readAnswer reads from the terminal and gives up as soon as the command is interrupted. The read cannot be ended: it
// stays until the process ends, which an interrupted command is about to do.
func (p *Prompter) readAnswer(read func() (string, error)) (string, error) {
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
	case <-p.context().Done():
		p.env.restoreTerminal() // the read may have switched the echo off
		p.sayf("\n")
		return "", context.Cause(p.context())
	}
}

// context is the command's; it ends with the first interrupt.
func (p *Prompter) context() context.Context {
	if p.ctx == nil {
		return context.Background()
	}
	return p.ctx
}
