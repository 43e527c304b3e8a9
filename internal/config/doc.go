// Package config is the waypoint.hcl language: it finds, parses, checks and evaluates a project's file.
//
// Loading and evaluating are two things. Parse and Load look at structure and names only and report every
// error at once; they need neither values nor a server. Project evaluates what holds for the whole project;
// the stages of an app (build, registry, deploy, release) are evaluated one by one when they run, each with
// the variables of its phase, so that a mistake in release does not keep a build from running.
//
// The language is a registry of stanzas (registry.go): each has one file, stanza_NAME.go, with what it may hold, its checks, its
// evaluation, its rule for the documentation and what of it the server keeps.
//
// Errors are hcl.Diagnostics with exact source ranges; Render and RenderJSON show them. A value of a variable
// that is declared sensitive is marked, stays marked through every expression, and is removed from all
// diagnostics; only Stage.Decode and the like hand it out, to the plugin that needs it.
//
// Of this project the package imports the contract, internal/git and internal/filecopy; it does no network access. It reads files only where an
// expression asks for it, and writes only below StageInput.TempDir. It keeps no global state: time and
// randomness come in with Input.
package config
