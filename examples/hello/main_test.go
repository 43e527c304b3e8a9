package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestThePageShowsTheGreetingEscaped(t *testing.T) {
	web := httptest.NewServer(handler(facts{Greeting: "Hi <you>", App: "hello", Workspace: "default", Version: "v1"}))
	defer web.Close()
	res, err := http.Get(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Hi &lt;you&gt;", "hello", "default", "v1"} {
		if !strings.Contains(string(body), want) {
			t.Errorf("the page does not show %q", want)
		}
	}
}
