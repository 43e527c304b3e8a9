// Package auth says who calls and what they may do: tokens, principals, roles, and the middleware that turns
// a bearer token into a principal.
//
// It decides; where tokens are kept is the business of whoever implements Source. It may import api and
// internal/version and nothing else of ours.
package auth
