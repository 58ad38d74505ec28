package connect

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/cqrpc/cqrpc/conformance/internal/connectpb"
)

var errNoCertificate = errors.New("no certificate in PEM")

// ServerTLS is what a server is to offer; nil for plaintext.
func ServerTLS(r *connectpb.ServerCompatRequest) (*tls.Config, error) {
	if !r.GetUseTls() {
		return nil, nil
	}
	own, err := keyPair(r.GetServerCreds())
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}
	if ca := r.GetClientTlsCert(); len(ca) > 0 {
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
		if cfg.ClientCAs, err = pool(ca); err != nil {
			return nil, err
		}
	}
	return cfg, nil
}

// ClientTLS is whom a client is to trust and what to show; nil for plaintext.
func ClientTLS(r *connectpb.ClientCompatRequest) (*tls.Config, error) {
	if len(r.GetServerTlsCert()) == 0 {
		return nil, nil
	}
	roots, err := pool(r.GetServerTlsCert())
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if r.GetClientTlsCreds() != nil {
		own, err := keyPair(r.GetClientTlsCreds())
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{own}
	}
	return cfg, nil
}

func keyPair(c *connectpb.TLSCreds) (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(c.GetCert(), c.GetKey())
	if err != nil {
		return pair, fmt.Errorf("certificate of the suite: %w", err)
	}
	return pair, nil
}

func pool(pem []byte) (*x509.CertPool, error) {
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		return nil, errNoCertificate
	}
	return p, nil
}
