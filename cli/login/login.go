package login

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/contexts"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/shell"
)

type loginOptions struct {
	token, name, addr string
}

// New makes the command login.
func New(sh Host) *cobra.Command {
	o := &loginOptions{}
	cmd := &cobra.Command{
		Use: "login [ADDRESS] [-]", Short: "Connect this CLI to a server", Args: shell.ArgCount(0, 2),
		Long: `Asks for a token, checks it with the server, and keeps both as a context, which becomes the default one.

The token is read from a prompt that does not show it, or from stdin with "-". Without an address the server of
the current context is used.`,
		Example: "  waypoint login https://waypoint.example.com\n  cat token | waypoint login https://waypoint.example.com -",
		RunE:    func(cmd *cobra.Command, args []string) error { return runLogin(cmd.Context(), sh, o, args) },
	}
	cmd.Flags().StringVar(&o.token, "token", "", `the token, or "-" to read it from stdin; a token on the command line ends up in the shell's history`)
	cmd.Flags().StringVar(&o.name, "context", "", "name of the context; by default derived from the address")
	cmd.Flags().StringVar(&o.addr, "server-addr", "", "the address, as an argument")
	return cmd
}

func runLogin(ctx context.Context, sh Host, o *loginOptions, args []string) error {
	if n := len(args); n > 0 && args[n-1] == "-" {
		o.token, args = "-", args[:n-1]
	}
	if len(args) > 1 {
		return problem.New("USAGE", "`waypoint login` takes one address")
	}
	if len(args) == 1 {
		o.addr = args[0]
	}
	if o.addr == "" {
		s, err := sh.ChosenServer()
		if err != nil {
			return problem.New("USAGE", "the server's address is missing").WithHint("Usage: waypoint login ADDRESS")
		}
		o.addr = s.Address
		if o.name == "" {
			o.name = s.Name
		}
	}
	if !strings.Contains(o.addr, "://") {
		o.addr = "https://" + o.addr
	}
	token, err := readToken(sh, o.token)
	if err != nil {
		return err
	}
	who, err := sh.CheckServer(ctx, contexts.Context{Address: o.addr, Token: token})
	if err != nil {
		return err
	}
	if o.name == "" {
		o.name = contextName(o.addr)
	}
	store, err := sh.ContextStore()
	if err != nil {
		return err
	}
	c, _ := store.Load(o.name) // a new one has no workspace to keep
	c.Address, c.Token = o.addr, token
	if err := store.Save(o.name, c); err != nil {
		return err
	}
	if err := store.SetDefault(o.name); err != nil {
		return err
	}
	sh.Progressf("Logged in to %s as %q. The context %q is now the default.\n", o.addr, who.GetPrincipal().GetName(), o.name)
	return nil
}

// readToken gets the token from a prompt, from stdin ("-") or, with a warning, from the command line.
func readToken(sh Host, given string) (string, error) {
	var token string
	switch given {
	case "-":
		data, err := sh.ReadAnswer(func() (string, error) {
			data, err := io.ReadAll(io.LimitReader(sh.Env().In, 4096))
			return string(data), err
		})
		if err != nil {
			return "", fmt.Errorf("reading the token: %w", err)
		}
		token = data
	case "":
		if !sh.CanAsk() {
			return "", problem.New("USAGE", "cannot ask for the token: stdin is not a terminal").WithHint("Pass it on stdin: `waypoint login ADDRESS - < FILE`.")
		}
		sh.Progressf("Token (not shown): ")
		var err error
		if token, err = sh.ReadAnswer(sh.Env().ReadSecret); err != nil {
			return "", fmt.Errorf("reading the token: %w", err)
		}
		sh.Progressf("\n")
	default:
		sh.Warnf("a token on the command line ends up in the shell's history; omit -token to be prompted for it.")
		token = given
	}
	token = strings.TrimSpace(token)
	switch {
	case token == "":
		return "", problem.New("USAGE", "the token is empty")
	case strings.ContainsAny(token, " \t\r\n"):
		return "", problem.New("USAGE", "invalid token: it contains spaces or line breaks")
	}
	return token, nil
}

// contextName makes a name of an address: its host.
func contextName(addr string) string {
	u, err := url.Parse(addr)
	if err != nil || u.Hostname() == "" {
		return "default"
	}
	name := strings.Trim(strings.ReplaceAll(u.Hostname(), ":", "-"), "-.")
	if contexts.CheckName(name) != nil {
		return "default"
	}
	return name
}
