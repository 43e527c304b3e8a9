package help

// Topic is a page about what concerns many commands.
type Topic struct{ Name, Short, Text string }

// Topics are all of them.
func Topics() []Topic {
	return []Topic{
		{"environment", "Environment variables", environment},
		{"exit-codes", "Exit codes, and errors for programs", exitCodes},
		{"files", "Files that Waypoint reads and writes", files},
	}
}

const environment = `Which server, and whose:

  WAYPOINT_CONTEXT       name of the context, instead of the default one
  WAYPOINT_SERVER_ADDR   address of the server, instead of a context's
  WAYPOINT_SERVER_TOKEN  token for it
  WAYPOINT_WORKSPACE     workspace; -workspace comes first

What is shown:

  WAYPOINT_PLAIN         1: plain lines, as with --plain
  WAYPOINT_LOG_LEVEL     debug, info, warn or error: log to stderr
  NO_COLOR               any value: no colours
  CLICOLOR_FORCE         1: colours without a terminal, too
  TERM                   dumb: neither colours nor animation
  BROWSER                program for ` + "`waypoint open`" + `

For operations:

  WP_VAR_name            value of the input variable "name"
  DOCKER_HOST            the Docker engine, with DOCKER_CONTEXT and the other
                         variables of Docker's own command
  AWS_PROFILE            with AWS_REGION and the other variables of the AWS CLI:
                         the account of --platform=aws
  WAYPOINT_JOB_OUTPUT_RATE
                         bytes of output per second that a runner sends, after
                         the first 20 MB; 0: no limit
  WAYPOINT_SOURCE_MAX_MB
                         size of a git source at most
  WAYPOINT_SOURCE_TIMEOUT
                         how long fetching a git source may take
  WAYPOINT_PLUGINS_BINARY
                         the program waypoint-plugins, if it is not beside
                         waypoint

Of this program:

  WAYPOINT_RELEASES      folder or URL of releases: ` + "`waypoint version`" + ` tells
                         of a newer one; without it, nobody is asked

Where files are (see the topic files):

  XDG_CONFIG_HOME        instead of ~/.config
  XDG_STATE_HOME         instead of ~/.local/state
  WAYPOINT_LOCAL_DIR     data directory of the local server
`

const exitCodes = `A command ends with one of these:

  0    success
  1    the operation failed, or anything else went wrong
  2    wrong usage: an unknown command, a wrong flag or argument, a
       confirmation that nobody can give
  3    ` + "`waypoint fmt -check`" + ` found a file that it would change
  4    no server: none is chosen, it cannot be reached, or it refuses the token
  130, 143, 129
       interrupted by SIGINT (Ctrl-C), SIGTERM or SIGHUP

With --json an error is one line of JSON on stderr:

  {"error": {"reason", "message", "hint", "exit_code"}}

The reasons are stable. Operations print one JSON event a line to stdout; the last one has the type "result".
`

const files = `In a project:

  waypoint.hcl           what the project is; looked for in this directory and
                         those above it
  *.auto.wpvars          values of input variables, read by every operation
  .waypointignore        what of a directory is not copied for an app

Of yours:

  ~/.config/waypoint/context/
                         a file for each context: address, token, workspace
  ~/.local/state/waypoint/local/
                         the local server: its data (one SQLite file), logs
                         (server.log, runner.log), sockets
  ~/.local/state/waypoint/runner/
                         what runners on this machine keep: apps of the process
                         plugin with their logs, stable ports

XDG_CONFIG_HOME and XDG_STATE_HOME move them. The flag -state-dir of ` + "`waypoint runner agent`" + ` moves those of one runner. Everything else is on the server.
`
