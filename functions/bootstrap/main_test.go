package main

import (
	"encoding/base64"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
)

func environment(over map[string]string) func(string) string {
	env := map[string]string{
		"WAYPOINT_PREFIX": "waypoint", "WAYPOINT_MASTER_KEY": base64.StdEncoding.EncodeToString(make([]byte, 32)),
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c",
	}
	for k, v := range over {
		env[k] = v
	}
	return func(name string) string { return env[name] }
}

func TestTheEnvironmentPicksTheFunction(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	for _, name := range []string{"api", "tail", "sweep"} {
		if h, err := handlerFor(name, environment(nil), quiet); err != nil || h == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, over := range map[string]map[string]string{
		"socket": nil,
		"":       nil,
		"api":    {"WAYPOINT_PREFIX": ""},
		"tail":   {"WAYPOINT_MASTER_KEY": ""},
		"sweep":  {"WAYPOINT_KMS_KEY": "alias/x"},
	} {
		if _, err := handlerFor(name, environment(over), quiet); err == nil {
			t.Errorf("%q with %v was accepted", name, over)
		}
	}
}

func TestSettingsAreReadFromTheEnvironment(t *testing.T) {
	s, err := settings(environment(map[string]string{"WAYPOINT_TAIL_HOLD_MS": "0", "WAYPOINT_SERVER_ID": "s"}))
	if err != nil || s.TailHold >= 0 || s.ServerID != "s" || s.Region != "eu-west-1" || len(s.MasterKey) != 32 {
		t.Errorf("%v, hold %s, region %s, key of %d bytes", err, s.TailHold, s.Region, len(s.MasterKey))
	}
	s, err = settings(environment(map[string]string{"WAYPOINT_TAIL_HOLD_MS": "1500"}))
	if err != nil || s.TailHold != 1500*time.Millisecond {
		t.Errorf("%v %s", err, s.TailHold)
	}
	const secret = "not*base64*secret"
	for _, over := range []map[string]string{{"WAYPOINT_TAIL_HOLD_MS": "x"}, {"WAYPOINT_TAIL_HOLD_MS": "-1"}, {"WAYPOINT_MASTER_KEY": secret}} {
		if _, err := settings(environment(over)); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%v: %v", over, err)
		}
	}
}

func TestConfigIsLambdasEnvironment(t *testing.T) {
	cfg := config(environment(map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}))
	keys, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil || cfg.Region != "eu-west-1" || *cfg.BaseEndpoint != "http://127.0.0.1:1" || keys.AccessKeyID != "a" || keys.SessionToken != "c" {
		t.Errorf("%v %v", cfg, err)
	}
	if cfg := config(environment(nil)); cfg.BaseEndpoint != nil {
		t.Error("an endpoint was made up")
	}
}

// The wait ends when the Runtime API listens, not before.
func TestARuntimeAPIThatListensLateIsAwaited(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { awaitRuntimeAPI(address + "/a-path"); close(done) }()
	select {
	case <-done:
		t.Fatal("nobody listens yet")
	case <-time.After(50 * time.Millisecond):
	}
	if ln, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	<-done
}
