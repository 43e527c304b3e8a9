package login

import (
	"testing"
)

func TestContextNames(t *testing.T) {
	for addr, want := range map[string]string{
		"https://waypoint.example.com/prod": "waypoint.example.com", "http://127.0.0.1:9701": "127.0.0.1",
		"unix:///run/api.sock": "default", "https://[::1]:1": "1", "nonsense": "default",
	} {
		if got := contextName(addr); got != want {
			t.Errorf("%s: got %q, want %q", addr, got, want)
		}
	}
}
