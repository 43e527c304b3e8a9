package guard

// message is one line from the runner to its guard.
type message struct {
	// Key is a command's mark, a directory's path, or what a job is reported under.
	Key string `json:"key,omitempty"`
	// One of these says what the message is about.
	Server  *Server       `json:"server,omitempty"`
	Command *commandState `json:"command,omitempty"`
	Work    *Work         `json:"work,omitempty"`
	Dir     bool          `json:"dir,omitempty"`
	// Done: whatever has the key need not be guarded any more.
	Done bool `json:"done,omitempty"`
	// Bye: the runner ends in order.
	Bye bool `json:"bye,omitempty"`
}

// commandState is a command as it is known: PID is 0 until it has started.
type commandState struct {
	PID int `json:"pid,omitempty"`
}

// state is what is to be done if the runner is killed; both sides have it.
type state struct {
	Server   Server
	Commands map[string]commandState
	Dirs     map[string]bool
	Work     map[string]Work
	bye      bool
}

func newState() state {
	return state{Commands: map[string]commandState{}, Dirs: map[string]bool{}, Work: map[string]Work{}}
}

func (s *state) apply(m message) {
	switch {
	case m.Bye:
		s.bye = true
	case m.Done:
		delete(s.Commands, m.Key)
		delete(s.Dirs, m.Key)
		delete(s.Work, m.Key)
	case m.Server != nil:
		s.Server = *m.Server
	case m.Command != nil:
		s.Commands[m.Key] = *m.Command
	case m.Work != nil:
		s.Work[m.Key] = *m.Work
	case m.Dir:
		s.Dirs[m.Key] = true
	}
}

func (s *state) empty() bool { return len(s.Commands)+len(s.Dirs)+len(s.Work) == 0 }

// messages are those that make a new guard know all this.
func (s *state) messages() []message {
	all := []message{{Server: &s.Server}}
	for key, c := range s.Commands {
		all = append(all, message{Key: key, Command: &c})
	}
	for key := range s.Dirs {
		all = append(all, message{Key: key, Dir: true})
	}
	for key, w := range s.Work {
		all = append(all, message{Key: key, Work: &w})
	}
	return all
}
