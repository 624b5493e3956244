package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// gitHTTP serves the bare repositories below a folder, and plays servers that
// never answer. It prints the URL when it listens.
func gitHTTP(args []string) error {
	fs := flag.NewFlagSet("git-http", flag.ExitOnError)
	root := fs.String("root", "", "folder of the bare repositories")
	listen := fs.String("listen", "127.0.0.1:0", "address and port, 0 for any")
	user := fs.String("user", "", "user for basic authentication")
	password := fs.String("password", "", "and the password")
	useTLS := fs.Bool("tls", false, "serve HTTPS with a new certificate")
	caOut := fs.String("ca-out", "", "file for the CA of that certificate")
	tls13 := fs.Bool("tls13", false, "refuse TLS below 1.3")
	hang := fs.String("hang", "", "accept: never answer on a connection; headers: take the request, send nothing; body: stop in the middle of the answer")
	fs.Parse(args)
	if *root == "" {
		return errors.New("git-http: --root is missing")
	}
	abs, err := filepath.Abs(*root)
	if err != nil {
		return err
	}
	handler, err := gitHandler(abs)
	if err != nil {
		return err
	}
	switch *hang {
	case "", "accept":
	case "headers":
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	case "body":
		whole := handler
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			whole.ServeHTTP(&stopsInBody{ResponseWriter: w, r: r}, r)
		})
	default:
		return fmt.Errorf("git-http: --hang %s: accept, headers or body", *hang)
	}
	if *user != "" || *password != "" {
		handler = withPassword(handler, *user, *password)
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	scheme := "http"
	if *useTLS || *tls13 {
		scheme = "https"
		config, ca, err := newServerTLS(l.Addr().(*net.TCPAddr).IP)
		if err != nil {
			return err
		}
		if *tls13 {
			config.MinVersion = tls.VersionTLS13
		}
		if *caOut != "" {
			if err := os.WriteFile(*caOut, ca, 0o644); err != nil {
				return err
			}
		}
		if *hang != "accept" { // a server that hangs at once does not shake hands
			l = tls.NewListener(l, config)
		}
	}
	fmt.Printf("%s://%s\n", scheme, l.Addr())
	if *hang == "accept" {
		var open []net.Conn // kept, or the collector would close them
		for {
			c, err := l.Accept()
			if err != nil {
				return err
			}
			open = append(open, c)
		}
	}
	return http.Serve(l, handler)
}

func gitHandler(root string) (http.Handler, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, err
	}
	return &cgi.Handler{
		Path: git, Args: []string{"http-backend"}, Dir: root,
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=test",
			"GIT_CONFIG_COUNT=3", "GIT_CONFIG_KEY_0=http.receivepack", "GIT_CONFIG_VALUE_0=true",
			"GIT_CONFIG_KEY_1=safe.directory", "GIT_CONFIG_VALUE_1=*",
			"GIT_CONFIG_KEY_2=uploadpack.allowAnySHA1InWant", "GIT_CONFIG_VALUE_2=true"},
		InheritEnv: []string{"PATH", "HOME"},
	}, nil
}

func withPassword(next http.Handler, user, password string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, _ := r.BasicAuth()
		if subtle.ConstantTimeCompare([]byte(u), []byte(user)) != 1 || subtle.ConstantTimeCompare([]byte(p), []byte(password)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// stopsInBody sends the first half of the first piece of the body, and then
// nothing until the client gives up.
type stopsInBody struct {
	http.ResponseWriter
	r *http.Request
}

func (s *stopsInBody) Write(b []byte) (int, error) {
	// The handler sends more later; without a length the client cannot know.
	n, err := s.ResponseWriter.Write(b[:(len(b)+1)/2])
	if err != nil {
		return n, err
	}
	http.NewResponseController(s.ResponseWriter).Flush()
	<-s.r.Context().Done()
	return n, s.r.Context().Err()
}

// newServerTLS makes a CA and a certificate for the address and localhost.
func newServerTLS(ip net.IP) (*tls.Config, []byte, error) {
	newKey := func() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }
	caKey, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "git test CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, nil, err
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "git test server"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), ip},
	}
	if host, err := os.Hostname(); err == nil && !strings.Contains(host, "_") {
		cert.DNSNames = append(cert.DNSNames, host)
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, ca, &key.PublicKey, caKey)
	if err != nil {
		return nil, nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der, caDER}, PrivateKey: key}},
		MinVersion:   tls.VersionTLS12, NextProtos: []string{"http/1.1"},
	}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}), nil
}
