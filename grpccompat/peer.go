package grpccompat

import (
	"crypto/tls"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/cqrpc/cqrpc/call"
)

// toPeer returns the server's end of a call, nil while it has none.
func toPeer(p call.Peer) *peer.Peer {
	if p.Addr == nil {
		return nil
	}
	return &peer.Peer{Addr: p.Addr, LocalAddr: p.LocalAddr, AuthInfo: authInfo(p.TLS)}
}

// clientOf returns the client's end of a call. Without TLS its AuthInfo is nil: grpc-go's
// servers without credentials do not even say that there are none.
func clientOf(p call.Peer) peer.Peer {
	c := peer.Peer{Addr: p.Addr, LocalAddr: p.LocalAddr}
	if p.TLS != nil {
		c.AuthInfo = authInfo(p.TLS)
	}
	return c
}

// authInfo is what is known of a connection's security; with TLS a [credentials.TLSInfo].
func authInfo(state *tls.ConnectionState) credentials.AuthInfo {
	if state == nil {
		return plaintext{credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}}
	}
	return credentials.TLSInfo{
		State: *state, CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
	}
}

// plaintext is the AuthInfo of a connection without TLS, by the name that it has in
// grpc-go's package insecure.
type plaintext struct{ credentials.CommonAuthInfo }

func (plaintext) AuthType() string { return "insecure" }
