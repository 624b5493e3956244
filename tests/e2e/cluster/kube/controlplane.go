package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"

	"weir/cluster/spec"
)

// controlPlane starts and stops etcd, the API server and the controller
// manager, each a process of its own from this same program.
type controlPlane struct {
	dir   string
	token string

	mu      sync.Mutex // one start or stop at a time
	running map[string]*process
}

const startDeadline = 90 * time.Second

func newControlPlane(dir string) (*controlPlane, error) {
	b := make([]byte, 16)
	rand.Read(b)
	cp := &controlPlane{dir: dir, token: hex.EncodeToString(b), running: map[string]*process{}}
	if err := writePKI(cp.path("pki")); err != nil {
		return nil, err
	}
	users := cp.token + `,admin,admin,"system:masters"` + "\n"
	if err := os.WriteFile(cp.path("pki/tokens.csv"), []byte(users), 0o600); err != nil {
		return nil, err
	}
	return cp, os.WriteFile(cp.path("pki/kubeconfig"), cp.kubeconfig(), 0o600)
}

func (cp *controlPlane) path(name string) string { return filepath.Join(cp.dir, name) }

func (cp *controlPlane) kubeconfig() []byte {
	ca, _ := os.ReadFile(cp.path("pki/ca.crt"))
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: weir
  cluster: {server: "%s", certificate-authority-data: %s}
users:
- name: admin
  user: {token: "%s"}
contexts:
- name: weir
  context: {cluster: weir, user: admin}
current-context: weir
`, spec.APIURL, base64.StdEncoding.EncodeToString(ca), cp.token)
}

// launch starts one of the programs. When it ends without having been asked
// to, a cluster without it would only confuse the tests: then all ends.
func (cp *controlPlane) launch(name string, args ...string) error {
	f, err := os.OpenFile(cp.path("log/"+name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	p, err := startProcess("/proc/self/exe", append([]string{"weir-kube", name}, args...), &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, f.Fd(), f.Fd()},
	})
	if err != nil {
		return err
	}
	cp.running[name] = p
	go func() {
		<-p.exited
		cp.mu.Lock()
		defer cp.mu.Unlock()
		if cp.running[name] == p {
			log.Fatalf("%s ended by itself: %v", name, p.status)
		}
	}()
	return nil
}

// kill ends a program at once, as a crash would.
func (cp *controlPlane) kill(name string) bool {
	p := cp.running[name]
	if p == nil {
		return false
	}
	delete(cp.running, name)
	p.signal(syscall.SIGKILL)
	<-p.exited
	return true
}

const etcdURL = "http://127.0.0.1:2379"

func (cp *controlPlane) start(ctx context.Context, client kubernetes.Interface) error {
	cp.mu.Lock()
	defer cp.mu.Unlock()
	// The tests want speed, not durability: etcd does not sync to disk.
	err := cp.launch("etcd", "--data-dir="+cp.path("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+etcdURL, "--advertise-client-urls="+etcdURL, "--listen-peer-urls=http://127.0.0.1:2380",
		"--initial-advertise-peer-urls=http://127.0.0.1:2380", "--initial-cluster=default=http://127.0.0.1:2380")
	if err != nil {
		return err
	}
	err = waitFor(ctx, func() error {
		c, err := net.Dial("tcp", "127.0.0.1:2379")
		if err == nil {
			c.Close()
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := cp.launchAPIServer(ctx, client); err != nil {
		return err
	}
	return cp.launchControllers()
}

func (cp *controlPlane) launchAPIServer(ctx context.Context, client kubernetes.Interface) error {
	err := cp.launch("kube-apiserver", "--etcd-servers="+etcdURL,
		"--bind-address="+spec.NodeIP, "--advertise-address="+spec.NodeIP, "--secure-port="+spec.APIPort,
		"--tls-cert-file="+cp.path("pki/apiserver.crt"), "--tls-private-key-file="+cp.path("pki/apiserver.key"),
		"--cert-dir="+cp.path("pki"),
		"--token-auth-file="+cp.path("pki/tokens.csv"), "--authorization-mode=RBAC", "--allow-privileged=true",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+cp.path("pki/sa.pub"), "--service-account-signing-key-file="+cp.path("pki/sa.key"),
		"--service-cluster-ip-range=10.96.0.0/16", "--kubelet-preferred-address-types=InternalIP", "--profiling=false")
	if err != nil {
		return err
	}
	return waitFor(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}

func (cp *controlPlane) launchControllers() error {
	return cp.launch("kube-controller-manager", "--kubeconfig="+cp.path("pki/kubeconfig"),
		"--service-account-private-key-file="+cp.path("pki/sa.key"), "--root-ca-file="+cp.path("pki/ca.crt"),
		"--use-service-account-credentials=false", "--leader-elect=false", "--bind-address=127.0.0.1",
		"--cert-dir="+cp.path("pki"), "--profiling=false",
		"--controllers=*,-node-ipam-controller,-node-lifecycle-controller,-node-route-controller,-service-lb-controller")
}

func (cp *controlPlane) stopAPIServer() error {
	cp.mu.Lock()
	defer cp.mu.Unlock()
	if !cp.kill("kube-apiserver") {
		return errors.New("the API server is not running")
	}
	return nil
}

// startAPIServer ends an outage. The controller manager is started anew with
// it: its clients back off for up to half a minute after an outage, which
// would be measured as part of every recovery.
func (cp *controlPlane) startAPIServer(ctx context.Context, client kubernetes.Interface) error {
	cp.mu.Lock()
	defer cp.mu.Unlock()
	if cp.running["kube-apiserver"] != nil {
		return errors.New("the API server is running")
	}
	if err := cp.launchAPIServer(ctx, client); err != nil {
		return err
	}
	cp.kill("kube-controller-manager")
	return cp.launchControllers()
}

// waitFor tries a condition again and again until it holds. It is for what
// cannot be watched, because nothing is there yet to send events.
func waitFor(ctx context.Context, condition func() error) error {
	end := time.Now().Add(startDeadline)
	for {
		err := condition()
		if err == nil || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
