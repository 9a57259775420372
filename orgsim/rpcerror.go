package orgsim

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// errorCodePrefix begins every error-code trailer.
const errorCodePrefix = "sfdc.platform.eventbus.grpc."

// rpcError is a refusal of the Pub/Sub API: a gRPC status, the error code
// without its prefix (empty for errors of the transport), and the text.
type rpcError struct {
	status codes.Code
	code   string
	text   string
}

func refuse(status codes.Code, code, format string, args ...any) *rpcError {
	return &rpcError{status: status, code: code, text: fmt.Sprintf(format, args...)}
}

// The refusals that several calls share.
func errHeaders(key string) *rpcError {
	return refuse(codes.Unauthenticated, "service.auth.headers.invalid", "The metadata header %s is missing or malformed.", key)
}

func errAuth() *rpcError {
	return refuse(codes.Unauthenticated, "service.auth.error",
		"An authentication exception occurred. Provide valid authentication via metadata headers.")
}

func errUnavailable() *rpcError {
	return refuse(codes.Internal, "service.unavailable", "The service is unavailable. Try again later.")
}

func (o *Org) errTopicNotFound(channel string) *rpcError {
	return refuse(codes.NotFound, "topic.not.found",
		"The topic information for org CORE/prod/%s and topic %s not found. Ensure the topic name is correct and that the topic exists.",
		o.cfg.OrgID, channel)
}

// fail ends a call: the error code and the id of the call go into the
// trailer, the text into the status.
func (o *Org) fail(ctx context.Context, method, rpcID string, e *rpcError) error {
	md := metadata.Pairs("rpc-id", rpcID)
	if e.code != "" && !o.cfg.Switches.OmitErrorCode {
		md.Append("error-code", errorCodePrefix+e.code)
		md.Append("type", method)
	}
	if o.cfg.Switches.BinaryTrailer {
		md.Append("details-bin", "\x00\xff\xfe")
	}
	// It only fails when the stream is gone, and then nobody reads it.
	_ = grpc.SetTrailer(ctx, md)
	text := e.text
	if e.code != "" {
		text += " rpcId: " + rpcID
	}
	return status.Error(e.status, text)
}
