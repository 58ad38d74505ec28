package parity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"
)

// Credentials are a certificate authority and what it has signed: one
// certificate that both ends show.
type Credentials struct {
	Authority   *x509.CertPool
	Certificate tls.Certificate
	Mutual      bool // the server wants to see the client's certificate
}

// newCredentials is called once: keys are what costs time here.
var newCredentials = sync.OnceValues(func() (Credentials, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Credentials{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "cqrpc parity"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:     []string{"localhost", "greeter.test"}, // the latter for names that only a proxy knows
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return Credentials{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return Credentials{}, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return Credentials{
		Authority:   pool,
		Certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf},
	}, nil
})

// TestCredentials is a copy of them, to be changed at will.
func TestCredentials(t *testing.T) *Credentials {
	t.Helper()
	c, err := newCredentials()
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

// Server is what a server needs.
func (c *Credentials) Server() *tls.Config {
	cfg := &tls.Config{Certificates: []tls.Certificate{c.Certificate}}
	if c.Mutual {
		cfg.ClientCAs, cfg.ClientAuth = c.Authority, tls.RequireAndVerifyClientCert
	}
	return cfg
}

// Client is what a client needs.
func (c *Credentials) Client() *tls.Config {
	cfg := &tls.Config{RootCAs: c.Authority}
	if c.Mutual {
		cfg.Certificates = []tls.Certificate{c.Certificate}
	}
	return cfg
}
