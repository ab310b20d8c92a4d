package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TLSFiles are the paths of PEM files made for one server.
type TLSFiles struct {
	CA         string // certificate of the authority that signed the others
	ClientCert string // certificate that the server accepts
	ClientKey  string
	// ClientConfig trusts the authority and shows the client's certificate.
	ClientConfig *tls.Config
}

// TLS makes the server speak TLS alone and demand a client certificate. Its own
// is for 127.0.0.1 and redis.test.
func TLS() Option {
	return func(s *Server) {
		s.tb.Helper()
		a := newAuthority(s.tb)
		ca := a.write(s.tb, s.dir, "ca", a.certificate, nil)
		server, serverKey := a.issue(s.tb, s.dir, "server", x509.ExtKeyUsageServerAuth)
		client, clientKey := a.issue(s.tb, s.dir, "client", x509.ExtKeyUsageClientAuth)
		pair, err := tls.LoadX509KeyPair(client, clientKey)
		if err != nil {
			s.tb.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(a.certificate)
		s.Files = &TLSFiles{
			CA: ca, ClientCert: client, ClientKey: clientKey,
			ClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, ServerName: "redis.test"},
		}
		s.args = append(s.args,
			"--tls-cert-file", server, "--tls-key-file", serverKey,
			"--tls-ca-cert-file", ca, "--tls-auth-clients", "yes")
	}
}

// authority is a certificate authority that lives as long as a test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(tb testing.TB) *authority {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redistest"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return &authority{certificate: certificate, key: key}
}

// issue signs a certificate for name and returns the paths of it and its key.
func (a *authority) issue(tb testing.TB, dir, name string, usage x509.ExtKeyUsage) (certFile, keyFile string) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
		DNSNames: []string{"redis.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		tb.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return a.write(tb, dir, name, certificate, nil), a.write(tb, dir, name+"-key", nil, key)
}

// write stores one certificate or one key as PEM and returns the path.
func (a *authority) write(tb testing.TB, dir, name string, certificate *x509.Certificate, key *ecdsa.PrivateKey) string {
	tb.Helper()
	var block *pem.Block
	if certificate != nil {
		block = &pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}
	} else {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			tb.Fatal(err)
		}
		block = &pem.Block{Type: "PRIVATE KEY", Bytes: der}
	}
	path := filepath.Join(dir, name+".pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}
