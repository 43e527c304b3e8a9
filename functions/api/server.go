package api

import (
	"context"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/internal/version"
)

// Roles, by the names that the services use.
const (
	viewer   = waypointv1.Role_ROLE_VIEWER
	deployer = waypointv1.Role_ROLE_DEPLOYER
	admin    = waypointv1.Role_ROLE_ADMIN
)

// Server answers what the server is, and exchanges identities. It needs no token.
type Server struct {
	// ID is made at installation.
	ID string
	// Platform is "local" or "aws".
	Platform string
	// TailHoldMS is how long the tail function holds a read at most.
	TailHoldMS uint32
	Identities *Identities
}

// ExchangeIdentity gives a runner token to who proves an identity of AWS. It needs no token.
func (s *Server) ExchangeIdentity(ctx context.Context, req *connect.Request[waypointv1.ExchangeIdentityRequest]) (*connect.Response[waypointv1.ExchangeIdentityResponse], error) {
	out, err := s.Identities.exchange(ctx, req.Msg.GetHeaders(), req.Header().Get("Authorization") != "")
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(out), nil
}

// GetServerInfo tells versions and, to a valid token, whom it stands for.
func (s *Server) GetServerInfo(ctx context.Context, _ *connect.Request[waypointv1.GetServerInfoRequest]) (*connect.Response[waypointv1.GetServerInfoResponse], error) {
	out := &waypointv1.GetServerInfoResponse{
		ServerId: s.ID, Version: version.Version(), Platform: s.Platform, TailHoldMs: s.TailHoldMS,
		ProtocolMinimum: version.ProtocolMinimum, ProtocolCurrent: version.ProtocolCurrent,
	}
	if p, ok := auth.PrincipalFrom(ctx); ok {
		out.Principal = &waypointv1.Principal{TokenId: p.TokenID, Kind: p.Kind, Name: p.Name}
	}
	return connect.NewResponse(out), nil
}
