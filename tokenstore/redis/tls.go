package redis

import (
	"crypto/tls"
	"crypto/x509"
	"os"
)

// TLS says whom to trust and what to show. Its zero value trusts what the system
// trusts. The files are read again for each connection, so that renewed
// certificates need no reload.
type TLS struct {
	// CA is the path of a PEM file with the authorities to trust instead of the
	// system's.
	CA string `json:"ca,omitempty"`

	// Certificate is the path of the PEM file with the client's certificate, for
	// servers that ask for one.
	Certificate string `json:"certificate,omitempty"`

	// Key is the path of the PEM file with the certificate's key.
	Key string `json:"key,omitempty"`

	// ServerName is the name the server's certificate must have. The default is
	// the host in the address.
	ServerName string `json:"server_name,omitempty"`

	// InsecureSkipVerify accepts any certificate, and so anybody who can put
	// himself between. It is for tests.
	InsecureSkipVerify bool `json:"insecure_skip_verify,omitempty"`
}

// config reads the files and returns what to use for a connection to host.
func (t *TLS) config(host string) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: host,
		// The operator asked for it in so many words.
		InsecureSkipVerify: t.InsecureSkipVerify,
	}
	if t.ServerName != "" {
		config.ServerName = t.ServerName
	}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, faultf("tls ca cannot be read; name a PEM file that Caddy may read: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, faultf("tls ca %s holds no certificate; name a PEM file with one", t.CA)
		}
	}
	if (t.Certificate == "") != (t.Key == "") {
		return nil, faultf("tls cert needs two files, the certificate and its key; add the missing one")
	}
	if t.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
		if err != nil {
			return nil, faultf("tls cert cannot be used; name a PEM certificate and its key, which Caddy may read: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
