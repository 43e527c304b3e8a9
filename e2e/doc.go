// Package e2e tests the whole over the built binaries, as a user runs it: install, up, kill, read again. It holds
// tests only; nothing imports it.
package e2e
