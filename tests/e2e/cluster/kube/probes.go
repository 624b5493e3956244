package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// startProbes watches over a container that was just started: first its
// startup probe, after that readiness and liveness.
func (c *ctr) startProbes() {
	s := c.spec
	if s.StartupProbe == nil && s.ReadinessProbe == nil && s.LivenessProbe == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancelProbes = cancel
	run, ip := c.runs, c.p.address()
	// tell has the pod's goroutine take note, if this run is still the one.
	tell := func(f func()) {
		c.p.post(func() {
			if c.runs == run && c.proc != nil && !c.p.ending.Load() {
				f()
				c.p.advance()
			}
		})
	}
	kill := func(which string) func() {
		return func() {
			log.Printf("%s/%s: %s: the %s probe failed", c.p.ns, c.p.name, s.Name, which)
			proc := c.proc
			proc.signal(syscall.SIGTERM)
			time.AfterFunc(maxGrace, func() { proc.signal(syscall.SIGKILL) })
		}
	}
	go func() {
		if s.StartupProbe != nil {
			if !probeUntil(ctx, s.StartupProbe, s, ip, true) {
				if ctx.Err() == nil {
					tell(kill("startup"))
				}
				return
			}
			tell(func() { c.started, c.ready = true, s.ReadinessProbe == nil })
		}
		if s.LivenessProbe != nil {
			go func() {
				if probeUntil(ctx, s.LivenessProbe, s, ip, false) {
					tell(kill("liveness"))
				}
			}()
		}
		if s.ReadinessProbe != nil {
			for ready := true; ctx.Err() == nil; ready = !ready {
				want := ready
				for ctx.Err() == nil && !probeUntil(ctx, s.ReadinessProbe, s, ip, want) {
				}
				if ctx.Err() == nil {
					tell(func() { c.ready = want })
				}
			}
		}
	}()
}

// probeUntil probes until the result is the wanted one as many times in a row
// as the threshold says. It gives up (false) when success is wanted and the
// failures reach their threshold.
func probeUntil(ctx context.Context, p *corev1.Probe, s *corev1.Container, ip string, want bool) bool {
	good, bad := 0, 0
	pause := time.Duration(p.InitialDelaySeconds) * time.Second
	for {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
		pause = time.Duration(max(p.PeriodSeconds, 1)) * time.Second
		if probe(ctx, p, s, ip) == nil {
			good, bad = good+1, 0
		} else {
			good, bad = 0, bad+1
		}
		switch {
		case want && good >= int(max(p.SuccessThreshold, 1)):
			return true
		case !want && bad >= int(max(p.FailureThreshold, 1)):
			return true
		case want && bad >= int(max(p.FailureThreshold, 1)):
			return false
		}
	}
}

var probeClient = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func probe(ctx context.Context, p *corev1.Probe, s *corev1.Container, ip string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(max(p.TimeoutSeconds, 1))*time.Second)
	defer cancel()
	switch {
	case p.HTTPGet != nil:
		g := p.HTTPGet
		port, err := portNumber(g.Port, s)
		if err != nil {
			return err
		}
		scheme, host := "http", ip
		if g.Scheme == corev1.URISchemeHTTPS {
			scheme = "https"
		}
		if g.Host != "" {
			host = g.Host
		}
		path := g.Path
		if path == "" || path[0] != '/' {
			path = "/" + path
		}
		req, err := http.NewRequestWithContext(ctx, "GET", scheme+"://"+net.JoinHostPort(host, strconv.Itoa(port))+path, nil)
		if err != nil {
			return err
		}
		for _, h := range g.HTTPHeaders {
			req.Header.Add(h.Name, h.Value)
		}
		r, err := probeClient.Do(req)
		if err != nil {
			return err
		}
		r.Body.Close()
		if r.StatusCode < 200 || r.StatusCode >= 400 {
			return errors.New(r.Status)
		}
		return nil
	case p.TCPSocket != nil:
		port, err := portNumber(p.TCPSocket.Port, s)
		if err != nil {
			return err
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
		if err == nil {
			conn.Close()
		}
		return err
	}
	return nil // exec and gRPC probes are not supported and count as passed
}

func portNumber(port intstr.IntOrString, s *corev1.Container) (int, error) {
	if port.Type == intstr.Int {
		return port.IntValue(), nil
	}
	for _, p := range s.Ports {
		if p.Name == port.StrVal {
			return int(p.ContainerPort), nil
		}
	}
	if n, err := strconv.Atoi(port.StrVal); err == nil {
		return n, nil
	}
	return 0, fmt.Errorf("no port named %s", port.StrVal)
}
