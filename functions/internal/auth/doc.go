// Package auth decides who calls and what they may do: tokens, principals, roles as sets of actions, the middleware that turns
// a bearer token into a principal, and the one check of what each method declares (Authorize).
//
// It decides; where tokens are kept is the business of whoever implements Source. It may import api, functions/internal/job and
// internal/version and nothing else of ours.
package auth
