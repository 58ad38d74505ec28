package conformance

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

// credentials are a certificate authority and what it has signed: one
// certificate that both ends show.
type credentials struct {
	authority   *x509.CertPool
	certificate tls.Certificate
	mutual      bool // the server wants to see the client's certificate

}

// newCredentials is called once: keys are what costs time here.
var newCredentials = sync.OnceValues(func() (credentials, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return credentials{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "cqrpc conformance"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:     []string{"localhost"},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return credentials{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return credentials{}, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return credentials{
		authority:   pool,
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf},
	}, nil
})

func testCredentials(t *testing.T) *credentials {
	t.Helper()
	c, err := newCredentials()
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

func (c *credentials) server() *tls.Config {
	cfg := &tls.Config{Certificates: []tls.Certificate{c.certificate}}
	if c.mutual {
		cfg.ClientCAs, cfg.ClientAuth = c.authority, tls.RequireAndVerifyClientCert
	}
	return cfg
}

func (c *credentials) client() *tls.Config {
	cfg := &tls.Config{RootCAs: c.authority}
	if c.mutual {
		cfg.Certificates = []tls.Certificate{c.certificate}
	}
	return cfg
}
